//! What the application is told.

use crate::error::{Error, PublishError, Refusal};
use serde_json::value::RawValue;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Something that happened. There may be more kinds one day.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection is open and welcomed.
    Connected(Connected),
    /// A connection ended, or a try to get one failed.
    Disconnected {
        /// Why.
        error: Arc<Error>,
        /// How long the client waits before it tries again; none when it does not.
        wait: Option<Duration>,
    },
    /// A room's messages follow.
    Subscribed(Subscribed),
    /// No more messages of a room come, until somebody subscribes again.
    Unsubscribed {
        /// The room.
        room: String,
        /// `requested`, `forbidden` or `deleted`, or the code of the error that answered
        /// the subscription.
        reason: String,
    },
    /// A message of a room.
    Message(Message),
    /// Messages were not delivered, or may not have been.
    Lost(Lost),
    /// A message of `send` or `try_send` is stored.
    Acked(Receipt),
    /// A message of `send` or `try_send` will not be sent again.
    Failed {
        /// The room that it was for; empty for a default room that had no name yet.
        room: String,
        /// Its id.
        id: String,
        /// Why.
        error: PublishError,
    },
    /// Somebody else types in a room, or has stopped. News of it may be missing (PROTOCOL
    /// section 5).
    Typing {
        /// The room.
        room: String,
        /// Who.
        user: String,
        /// Whether they type.
        active: bool,
    },
    /// Somebody else has come into a room, or left it. News of it may be missing, the next
    /// count is right.
    Presence {
        /// The room.
        room: String,
        /// Who.
        user: String,
        /// Whether they came.
        joined: bool,
        /// How many accounts are in the room.
        count: u64,
    },
    /// An error frame that answers none of the messages and subscriptions, or that the
    /// client deals with itself.
    Problem(Refusal),
    /// The client has ended by itself, since trying again would change nothing. The last
    /// event.
    Stopped(Arc<Error>),
}

/// The gateway's welcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The account.
    pub user: String,
    /// `user`, `admin` or `device`.
    pub role: String,
    /// The default room.
    pub room: String,
    /// The gateway's name for the connection.
    pub connection: String,
    /// The gateway's name for the session; empty when the token belongs to none.
    pub session: String,
    /// The gateway's time.
    pub server_time: SystemTime,
    /// How far that can be trusted: `none`, `floor` or `synced`.
    pub clock: String,
    /// How long the connection's token is valid.
    pub expires_in: Duration,
    /// How often the gateway shows that it is there.
    pub ping_interval: Duration,
    /// The longest frame that the gateway takes, in bytes.
    pub max_message_bytes: usize,
}

/// The answer to a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The room.
    pub room: String,
    /// The epoch of its numbers.
    pub epoch: String,
    /// The room's newest message.
    pub seq: u64,
    /// The client had been here before, and nothing is missing.
    pub recovered: bool,
    /// How many of the missed messages follow.
    pub replay: u64,
}

/// How far a client has come in a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// That of the newest message, or empty when it is not known: then nobody can say
    /// what is missing.
    pub epoch: String,
    /// The newest message's; 0 asks for everything that is kept. At most 2^53.
    pub seq: u64,
}

/// A message of a room. Those of a room come in the order of `seq`, each once; what is
/// missing between two of them was told by a [`Lost`].
#[derive(Clone, Debug)]
pub struct Message {
    /// The room.
    pub room: String,
    /// Together with `seq` the [`Position`] behind the message.
    pub epoch: String,
    /// Its number in the room.
    pub seq: u64,
    /// When the gateway took it.
    pub ts: SystemTime,
    /// Who published it.
    pub user: String,
    /// What its publisher called it, or empty.
    pub id: String,
    /// JSON, exactly as it was published.
    pub data: Box<RawValue>,
    /// `base64` when `data` is a string that holds bytes, else empty.
    pub encoding: String,
}

impl Message {
    /// The bytes of a message that was published as such, or as text; of any other the
    /// JSON. None when it says that it is base64 and is not.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let json = self.data.get();
        if !json.starts_with('"') {
            return Some(json.as_bytes().to_vec());
        }
        let text: String = serde_json::from_str(json).ok()?;
        if self.encoding == "base64" {
            return data_encoding::BASE64.decode(text.as_bytes()).ok();
        }
        Some(text.into_bytes())
    }
}

/// Messages of a room were not delivered, or may not have been. What is still kept of them
/// is in the room's history, which `GET /rooms/{id}/messages` gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The room.
    pub room: String,
    /// `not_recovered` or `purged`, found when the client came back; the reason of the
    /// gateway's gap frame, such as `drop_oldest`; or `missing`, when the gateway skipped
    /// numbers without a word, which is a fault of its.
    pub reason: String,
    /// The first number; there is none when it is above `to`.
    pub from: u64,
    /// The last number.
    pub to: u64,
    /// That of the numbers.
    pub epoch: String,
    /// The oldest number that is kept, or 0 when it is not known.
    pub oldest: u64,
    /// The room's numbers do not go on where the client was: the newest of what it had may
    /// have been taken back, for example by a power cut, and `from` to `to` is everything
    /// that is kept.
    pub reset: bool,
}

/// The gateway's word that a message is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The room.
    pub room: String,
    /// The message's id.
    pub id: String,
    /// Its number in the room.
    pub seq: u64,
    /// When the gateway took it.
    pub ts: SystemTime,
    /// `memory`, `queued` or `fsynced`: for the latter two it is on the gateway's disk.
    pub durability: String,
}
