//! Connections to and from others: TLS of our listeners, and the files that clients use.

mod error;
mod tls;

pub use error::NetError;
pub use tls::{ClientFiles, ServerFiles, ServerTls};
