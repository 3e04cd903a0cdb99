//! Who gets in: TLS and client certificates on real sockets, tokens and their scopes, and what is counted.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use perfline::net::{ClientFiles, ServerFiles, ServerTls};
use perfline::otlp::access::{Denial, Need};
use perfline::otlp::guard::{Guard, guard};
use perfline::otlp::receive::DoorState;
use perfline::otlp::serve::{ConnectionStats, ServeLimits, Serving, serve_with};
use perfline::otlp::stats::{Outcome, Transport};
use perfline::otlp::{grpc, http};
use prost::Message as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tower::ServiceExt as _;

use crate::client;
use crate::harness::{Memory, TOKEN, access, door_with, traces};

const WRITE: &str = "write-write-write-write";
const READ: &str = "read-read-read-read-read";
const PROTOBUF: &str = "application/x-protobuf";

/// An authority with files of certificates that it gave.
pub struct Authority {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Writes `name.pem` and `name.key` for this machine.
    fn certify(&self, name: &str) -> (PathBuf, PathBuf) {
        self.certify_for(name, &["127.0.0.1", "localhost"])
    }

    /// Writes `name.pem` and `name.key` for these hosts.
    pub fn certify_for(&self, name: &str, hosts: &[&str]) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let (cert, key_path) = (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        std::fs::write(&cert, certificate.pem()).unwrap();
        std::fs::write(&key_path, key.serialize_pem()).unwrap();
        (cert, key_path)
    }
}

/// Both transports behind TLS.
struct Secure {
    grpc: String,
    http: String,
    sink: Memory,
    tls: ServerTls,
    stats: Arc<ConnectionStats>,
}

async fn secure(authority: &Authority, client_ca: Option<&Path>) -> Secure {
    secure_within(ServeLimits::default(), authority, client_ca).await
}

async fn secure_within(limits: ServeLimits, authority: &Authority, client_ca: Option<&Path>) -> Secure {
    let (cert, key) = authority.certify("server");
    let tls = ServerTls::read(ServerFiles { cert, key, client_ca: client_ca.map(Path::to_owned) }).unwrap();
    let state = DoorState::new(Memory::default());
    let stats = Arc::new(ConnectionStats::default());
    let (routes, _health) = grpc::grpc_routes(state.clone(), &[]).await.unwrap();
    let mut addresses = Vec::new();
    for routes in [routes.into_axum_router(), http::router(state.clone())] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(format!("https://{}", listener.local_addr().unwrap()));
        let serving = Serving { limits, tls: Some(tls.clone()), stats: Arc::clone(&stats) };
        tokio::spawn(serve_with(listener, routes, serving, std::future::pending()));
    }
    let http = addresses.pop().unwrap();
    Secure { grpc: addresses.pop().unwrap(), http, sink: state.sink, tls, stats }
}

async fn post(url: &str, files: &ClientFiles) -> Result<u16, client::Failed> {
    let body = axum::body::Body::from(traces(1).encode_to_vec());
    let request = Request::post("/v1/traces").header("host", "x").header("content-type", PROTOBUF).body(body).unwrap();
    Ok(client::send(url, files, request).await?.status().as_u16())
}

async fn export(url: &str, tls: ClientTlsConfig) -> Result<(), String> {
    let endpoint = Endpoint::from_shared(url.to_owned()).unwrap().tls_config(tls).unwrap();
    let channel = endpoint.connect().await.map_err(|error| error.to_string())?;
    TraceServiceClient::new(channel).export(traces(1)).await.map(|_| ()).map_err(|status| status.to_string())
}

fn trusting(authority: &Authority) -> ClientFiles {
    ClientFiles { ca: Some(authority.ca()), ..ClientFiles::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_transports_speak_tls_and_who_does_not_trust_the_authority_sends_nothing() {
    let authority = Authority::new();
    let door = secure(&authority, None).await;
    assert_eq!(post(&door.http, &trusting(&authority)).await.unwrap(), 200);
    let ca = Certificate::from_pem(std::fs::read(authority.ca()).unwrap());
    export(&door.grpc, ClientTlsConfig::new().ca_certificate(ca)).await.unwrap();
    assert_eq!(door.sink.taken.lock().unwrap().len(), 2);

    assert!(post(&door.http, &trusting(&Authority::new())).await.is_err());
    assert!(post(&door.http, &ClientFiles::default()).await.is_err());
    assert!(post(&door.http.replace("https", "http"), &ClientFiles::default()).await.is_err());
    assert_eq!(door.sink.taken.lock().unwrap().len(), 2);
    // The last client may see the end before it is counted.
    while door.stats.handshakes_failed.load(std::sync::atomic::Ordering::Relaxed) < 3 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_authority_of_clients_only_its_certificates_get_in() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let door = secure(&authority, Some(&clients.ca())).await;
    assert!(post(&door.http, &trusting(&authority)).await.is_err());
    let shown =
        |(cert, key): (PathBuf, PathBuf)| ClientFiles { cert: Some(cert), key: Some(key), ..trusting(&authority) };
    assert!(post(&door.http, &shown(authority.certify("stranger"))).await.is_err());
    assert_eq!(post(&door.http, &shown(clients.certify("agent"))).await.unwrap(), 200);

    let read = |path: PathBuf| std::fs::read(path).unwrap();
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(authority.ca())));
    assert!(export(&door.grpc, tls.clone()).await.is_err());
    let (cert, key) = clients.certify("other agent");
    export(&door.grpc, tls.identity(Identity::from_pem(read(cert), read(key)))).await.unwrap();
    assert_eq!(door.sink.taken.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_shown_without_a_restart_and_a_wrong_one_changes_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let door = secure(&authority, None).await;
    let (cert, key) = (door.tls.files().cert.clone(), door.tls.files().key.clone());
    let (new_cert, new_key) = other.certify("server");
    std::fs::copy(&new_cert, &cert).unwrap();
    assert!(door.tls.reload().is_err(), "the key is still the old one's");
    assert_eq!(post(&door.http, &trusting(&authority)).await.unwrap(), 200);
    std::fs::copy(&new_key, &key).unwrap();
    door.tls.reload().unwrap();
    assert_eq!(post(&door.http, &trusting(&other)).await.unwrap(), 200);
    assert!(post(&door.http, &trusting(&authority)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_never_comes_is_given_up() {
    let limits = ServeLimits { header_timeout: Duration::from_millis(300), ..ServeLimits::default() };
    let door = secure_within(limits, &Authority::new(), None).await;
    let address = door.http.strip_prefix("https://").unwrap();
    let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut nothing = Vec::new();
    let closed = tokio::io::AsyncReadExt::read_to_end(&mut silent, &mut nothing);
    tokio::time::timeout(Duration::from_secs(20), closed).await.expect("the connection is closed").unwrap();
    assert_eq!(door.stats.handshakes_failed.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn certificates_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    let (cert, key) = authority.certify("server");
    let read = |cert: &Path, key: &Path| {
        let files = ServerFiles { cert: cert.to_owned(), key: key.to_owned(), client_ca: None };
        ServerTls::read(files).map(|_| ()).unwrap_err().to_string()
    };
    assert!(read(Path::new("/nowhere.pem"), &key).contains("/nowhere.pem"));
    assert!(read(&key, &key).contains("holds no certificate"));
    let (_, other_key) = authority.certify("other");
    assert!(read(&cert, &other_key).contains("cannot be used"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_a_wrong_and_a_reading_token_are_refused_in_the_requests_encoding_and_counted() {
    let write = format!("write:{WRITE}");
    let read = format!("read:{READ}");
    let door = door_with(Memory::default(), |state| state.access = access([TOKEN, &write, &read])).await;
    let body = traces(1).encode_to_vec();
    for content_type in [PROTOBUF, "application/json"] {
        let send = |token: &str| {
            let authorization = format!("Bearer {token}");
            let body = if content_type == PROTOBUF { body.clone() } else { b"{}".to_vec() };
            let door = &door;
            async move {
                let headers = [("content-type", content_type), ("authorization", authorization.as_str())];
                door.send("POST", "/v1/traces", &headers, &body).await
            }
        };
        assert_eq!(send(TOKEN).await.status, 200);
        assert_eq!(send(WRITE).await.status, 200);
        let wrong = send("wrong-wrong-wrong-wrong").await;
        assert_eq!((wrong.status, wrong.status_message().0), (401, 16), "{content_type}");
        let reader = send(READ).await;
        assert_eq!((reader.status, reader.status_message().0), (403, 7), "{content_type}");
        let missing = door.post("/v1/traces", content_type, b"").await;
        assert_eq!((missing.status, missing.header("content-type")), (401, Some(content_type)));
    }
    let mut client = TraceServiceClient::new(door.channel().await);
    for (token, code) in [(READ, Code::PermissionDenied), ("none-none-none-none", Code::Unauthenticated)] {
        let mut request = tonic::Request::new(traces(1));
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        assert_eq!(client.export(request).await.unwrap_err().code(), code);
    }
    let stats = &door.state.stats;
    assert_eq!(stats.denials(), [(Denial::Missing, 2), (Denial::Unknown, 3), (Denial::Scope, 3)]);
    let spans = &stats.snapshot()[0];
    let count = |transport, outcome| {
        spans.requests.iter().find(|(t, o, _)| (*t, *o) == (transport, outcome)).map_or(0, |(_, _, count)| *count)
    };
    assert_eq!(count(Transport::HttpProtobuf, Outcome::Unauthenticated), 2);
    assert_eq!(count(Transport::HttpJson, Outcome::Forbidden), 1);
    assert_eq!(count(Transport::Grpc, Outcome::Unauthenticated), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_ask_for_a_reading_token_health_for_none_and_grpc_answers_in_its_own_way() {
    let state = DoorState::new(Memory::default());
    state.access.replace(None);
    let read = format!("read:{READ}");
    let access = access([&read]);
    let need = |path: &str| if path == "/healthz" { Need::Nothing } else { Need::Read };
    let guarded = Guard { access, stats: Arc::clone(&state.stats), need };
    let routes = axum::Router::new()
        .route("/healthz", axum::routing::get(|| async { "ok" }))
        .route("/metrics", axum::routing::get(|| async { "page" }))
        .route("/v1/metrics", axum::routing::get(|| async { "a page of that name" }))
        .layer(axum::middleware::from_fn_with_state(guarded, guard));
    let (address, _stop) = crate::harness::start(routes).await;
    let ask = |method: &'static str, path: &'static str, headers: Vec<(&'static str, String)>| async move {
        let mut connection = client::http2(&address.to_string()).await.unwrap();
        let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        connection.send_request(request.body(axum::body::Body::empty()).unwrap()).await.unwrap()
    };
    let bearer = |token: &str| vec![("authorization", format!("Bearer {token}"))];
    assert_eq!(ask("GET", "/healthz", vec![]).await.status(), 200);
    assert_eq!(ask("GET", "/metrics", vec![]).await.status(), 401);
    assert_eq!(ask("GET", "/metrics", bearer("guess-guess-guess-guess")).await.status(), 401);
    assert_eq!(ask("GET", "/metrics", bearer(READ)).await.status(), 200);
    assert_eq!(ask("GET", "/v1/metrics", vec![]).await.status(), 401, "only POST goes to the door");
    let called = ask("POST", "/some.Service/Call", vec![("content-type", "application/grpc".to_owned())]).await;
    assert_eq!((called.status().as_u16(), &called.headers()["grpc-status"]), (200, &"16".parse().unwrap()));
    assert_eq!(state.stats.denials()[0], (Denial::Missing, 3));
}

#[tokio::test]
async fn a_preflight_opens_no_service() {
    let guarding = Guard { access: access([TOKEN]), stats: Arc::default(), need: |_| Need::Both };
    let routes =
        Router::new().fallback(|| async { "served" }).layer(axum::middleware::from_fn_with_state(guarding, guard));
    let ask = |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/grpc");
        routes.clone().oneshot(request.body(axum::body::Body::empty()).unwrap())
    };
    for path in ["/perfline.v1.Perfline/Query", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/metrics"]
    {
        for method in ["OPTIONS", "POST", "GET"] {
            let reply = ask(method, path).await.unwrap();
            assert_eq!(reply.headers().get("grpc-status").unwrap(), "16", "{method} {path}");
        }
    }
    // A browser asks before it sends, and has no token yet.
    assert_eq!(ask("OPTIONS", "/v1/traces").await.unwrap().headers().get("grpc-status"), None);
}
