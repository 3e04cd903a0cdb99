//! Browsers that send from other origins: off until an origin is allowed, and asked anew for every request.

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;

use super::receive::DoorSettings;
use crate::model::live::Live;

/// Answers a browser's question before a request, and marks answers that another origin may read.
pub(super) async fn cors(State(settings): State<Live<DoorSettings>>, request: Request, next: Next) -> Response {
    let settings = settings.get();
    let origins = &settings.cors_origins;
    let origin = request.headers().get(ORIGIN).filter(|origin| allows(origins, origin)).cloned();
    let asks = request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (&origin, asks) {
        (Some(_), true) => {
            let mut response = Response::default();
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
            let allowed = "content-type,content-encoding,authorization,x-requested-with";
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(allowed));
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
            response
        }
        _ => next.run(request).await,
    };
    if !origins.is_empty() {
        mark(response.headers_mut(), origin);
    }
    response
}

fn mark(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    // Answers differ by origin: caches must not mix them.
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
}

fn allows(origins: &[String], origin: &HeaderValue) -> bool {
    origins.iter().any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
}
