//! The frames as they go over the wire (PROTOCOL sections 2, 4 and 5).

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use std::fmt::Write;

/// The members of all frames that a gateway sends. What a frame does not have is empty.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(default)]
pub(crate) struct Incoming {
    #[serde(rename = "type")]
    pub kind: String,
    pub protocol: u64,
    pub user: String,
    pub role: String,
    pub room: String,
    pub connection: String,
    pub session: String,
    pub server_time: u64,
    pub clock: String,
    pub expires_in: u64,
    pub ping_interval: u64,
    pub max_message_bytes: usize,
    pub epoch: String,
    pub seq: u64,
    pub recovered: Option<bool>,
    pub replay: Option<u64>,
    pub from: u64,
    pub to: u64,
    pub ts: u64,
    pub id: String,
    pub encoding: String,
    #[serde(deserialize_with = "as_it_is")]
    pub data: Option<Box<RawValue>>,
    pub durability: String,
    pub reason: String,
    pub state: String,
    pub event: String,
    pub count: u64,
    pub code: String,
    pub message: String,
    pub retry_after_ms: u64,
}

/// Takes the JSON of a member, `null` too, which an `Option` would take for none.
fn as_it_is<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// A frame to the gateway, but for messages.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Command<'a> {
    #[serde(rename = "type")]
    pub kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub room: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub epoch: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    pub latest: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub token: &'a str,
}

fn is_false(b: &bool) -> bool {
    !*b
}

impl Command<'_> {
    pub(crate) fn encode(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers become JSON")
    }
}

/// The message command. The data is put in as it is: JSON that goes through an encoder
/// does not come out the same.
pub(crate) fn encode_message(room: &str, id: &str, data: &RawValue) -> String {
    let mut frame = Command { kind: "message", room, id, ..Command::default() }.encode();
    frame.pop();
    frame.reserve_exact(data.get().len() + 9);
    frame.push_str(",\"data\":");
    frame.push_str(data.get());
    frame.push('}');
    frame
}

/// What a client has of a room when it comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resume {
    pub after: Option<u64>,
    pub epoch: String,
    pub latest: bool,
}

impl Resume {
    pub(crate) fn command(&self, room: &str) -> String {
        let Resume { after, epoch, latest } = self;
        Command { kind: "subscribe", room, after: *after, epoch, latest: *latest, ..Command::default() }.encode()
    }

    /// Appends what stands in the query of /ws behind the room.
    pub(crate) fn add_to(&self, query: &mut String) {
        if let Some(after) = self.after {
            add(query, "after", &after.to_string());
        }
        if !self.epoch.is_empty() {
            add(query, "epoch", &self.epoch);
        }
        if self.latest {
            add(query, "latest", "1");
        }
    }
}

/// Appends a parameter to a query, which begins with its question mark.
pub(crate) fn add(query: &mut String, name: &str, value: &str) {
    query.push(if query.is_empty() { '?' } else { '&' });
    query.push_str(name);
    query.push('=');
    for &b in value.as_bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            query.push(b.into());
        } else {
            let _ = write!(query, "%{:02X}", b); // a String takes everything
        }
    }
}
