//! Connects a device to an edgegw gateway and keeps it connected: it logs in, refreshes
//! tokens before they end, comes back after every kind of break, goes on in each room where
//! it stopped, and publishes each message once. What it does is written down in
//! `docs/PROTOCOL.md` of the gateway, and cited by section.
//!
//! It blocks, and needs no async runtime: one thread of its own has the connection. It is no
//! general WebSocket client, and it does not speak the raw format.
//!
//! ```no_run
//! use edgegw::{Client, Event, Login, Options};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut options = Options::new("http://gateway.local:8080", Login::device("KEY"));
//! options.room = "plant.7".into();
//! let (client, events) = Client::start(options)?;
//! loop {
//!     client.send("", &21.5)?;
//!     while let Some(event) = events.next_within(Duration::from_secs(10)) {
//!         match event {
//!             Event::Message(m) => println!("{} says {}", m.user, m.data),
//!             Event::Lost(l) => println!("missed {} to {} ({})", l.from, l.to, l.reason),
//!             Event::Stopped(error) => return Err(error.to_string().into()),
//!             _ => {}
//!         }
//!     }
//! }
//! # }
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod backoff;
mod client;
mod close;
mod error;
mod event;
mod frame;
mod http;
mod link;
mod net;
mod options;
mod outbox;
mod reconnect;
mod renew;
mod room;
mod shared;
mod take;
#[cfg(feature = "rustls")]
mod tls;
mod token;
#[cfg(all(test, feature = "_vectors"))]
mod vectors;
#[cfg(feature = "rustls")]
mod x509;

pub use client::{Client, Events};
pub use close::Close;
pub use error::{ConfigError, Error, PublishError, Refusal};
pub use event::{Connected, Event, Lost, Message, Position, Receipt, Subscribed};
pub use options::{Login, Options};
pub use serde_json::value::RawValue;
#[cfg(feature = "rustls")]
pub use tls::Tls;
