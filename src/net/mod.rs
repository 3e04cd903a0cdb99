//! Connections to and from others: TLS of our listeners, connections that we open, and the files that clients use.

mod client;
mod error;
mod tls;

pub use client::{Peer, Stream, client_config};
pub use error::NetError;
pub use tls::{ClientFiles, ServerFiles, ServerTls};
