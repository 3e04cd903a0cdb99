//! What is left of a refused body is still read for a while, and thrown away. A server that closes with bytes unread
//! resets the connection, and a client that is still sending then sees that instead of the answer: it takes "too large"
//! for a broken network and sends the same again (RFC 9112, 9.6).

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::Request;
use axum::http::Version;
use axum::http::header::EXPECT;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::runtime::Handle;

/// How long a client that was answered may go on sending.
const TIME_MAX: Duration = Duration::from_secs(2);

/// How much of it is read.
const BYTES_MAX: usize = 64 << 20;

/// A body whose rest is read also when whoever was to read it lets it go.
pub(super) struct Lingering<B: Body<Data = Bytes> + Unpin + Send + 'static> {
    /// `None` once it ended, or where nothing needs to be read.
    body: Option<B>,
    /// Whether the client is sending: one that waits for "100 Continue" is not, before something was read.
    coming: bool,
}

/// Lets the rest of a request's body be read. HTTP/2 resets a stream of its own, and needs none of this.
pub(super) fn linger<B: Body<Data = Bytes> + Unpin + Send + 'static>(request: Request<B>) -> Request<Lingering<B>> {
    let coming = request.version() < Version::HTTP_2 && !request.headers().contains_key(EXPECT);
    request.map(|body| Lingering { body: Some(body), coming })
}

impl<B: Body<Data = Bytes> + Unpin + Send + 'static> Body for Lingering<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            this.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Body<Data = Bytes> + Unpin + Send + 'static> Drop for Lingering<B> {
    fn drop(&mut self) {
        let Some(body) = self.body.take() else { return };
        if !self.coming || body.is_end_stream() {
            return;
        }
        // Outside a runtime there is no connection left either.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async {
                // Whoever does not finish in time is cut off with the connection.
                let _elapsed = tokio::time::timeout(TIME_MAX, discard(body)).await;
            });
        }
    }
}

async fn discard<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let mut left = BYTES_MAX;
    while let Some(Ok(frame)) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(fewer) => left = fewer,
            None => return,
        }
    }
}
