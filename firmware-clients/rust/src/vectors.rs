//! The vectors of the protocol (testdata/protocol, whose README.md says what stands in them).
//! A member that is not named here fails. Not a part of the package: the vectors are not,
//! either.

use crate::{
    close::{Action, Close, NO_STATUS},
    event::Message,
    frame::{encode_message, Command, Incoming, Resume},
};
use serde::{de::DeserializeOwned, Deserialize};
use serde_json::{value::RawValue, Map, Value};
use std::{collections::BTreeSet, fs, path::Path, time::UNIX_EPOCH};

fn vectors<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/protocol").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {}", path.display(), err));
    let cases: Vec<T> = serde_json::from_str(&text).unwrap_or_else(|err| panic!("{}: {}", file, err));
    assert!(!cases.is_empty(), "{}", file);
    cases
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum Published {
    Json(String),
    Text(String),
    Base64(String),
}

impl Published {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Published::Json(text) | Published::Text(text) => text.clone().into_bytes(),
            Published::Base64(text) => data_encoding::BASE64.decode(text.as_bytes()).unwrap(),
        }
    }
}

/// JSON in which numbers are what they are worth, however they are written.
fn worth(value: &Value) -> Value {
    match value {
        Value::Number(n) => {
            let exact = n.as_u64().map(|n| n as f64).or_else(|| n.as_f64());
            exact.filter(|n| n.abs() <= 9_007_199_254_740_992.0).map_or_else(|| value.clone(), Value::from)
        }
        Value::Array(list) => list.iter().map(worth).collect(),
        Value::Object(map) => {
            map.iter().map(|(name, value)| (name.clone(), worth(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// The JSON of a text, compared by what it is worth; of one that is no JSON of this kind (too
/// deep, or a number too large for it) the text.
fn json(text: &str) -> Value {
    serde_json::from_str(text).map_or_else(|_| text.into(), |value: Value| worth(&value))
}

#[test]
fn gateway_frames() {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        name: String,
        frame: String,
        members: Map<String, Value>,
        published: Option<Published>,
        #[serde(rename = "raw")]
        _raw: Option<Published>,
        #[serde(rename = "closes_raw")]
        _closes_raw: Option<u16>,
    }
    for file in ["gateway-frames.json", "errors.json"] {
        for case in vectors::<Case>(file) {
            let f: Incoming = serde_json::from_str(&case.frame).unwrap_or_else(|err| panic!("{}: {}", case.name, err));
            let read: Map<String, Value> = serde_json::from_str(&serde_json::to_string(&f).unwrap()).unwrap();
            for (name, want) in &case.members {
                let got = read.get(name).unwrap_or_else(|| panic!("the client does not read {}", name));
                assert_eq!(worth(got), worth(want), "{}: {}", case.name, name);
            }
            if let Some(published) = case.published {
                let data = f.data.expect("data");
                let as_it_is = data.get().as_bytes().to_vec();
                let (ts, encoding) = (UNIX_EPOCH, f.encoding);
                let (room, epoch, user, id) = Default::default();
                let bytes = Message { room, epoch, seq: 1, ts, user, id, data, encoding }.bytes();
                let want = published.bytes();
                assert!(bytes.as_ref() == Some(&want) || as_it_is == want, "{}: it carries {:?}", case.name, bytes);
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    r#type: String,
    #[serde(default)]
    room: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    state: String,
    after: Option<u64>,
    #[serde(default)]
    epoch: String,
    #[serde(default)]
    latest: bool,
    #[serde(default)]
    token: String,
    /// Of a message; what it is, `published` says.
    #[serde(rename = "data")]
    _data: Option<Box<RawValue>>,
}

#[test]
fn client_frames() {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        name: String,
        frame: Option<String>,
        #[serde(rename = "base64")]
        _base64: Option<String>,
        #[serde(default)]
        odd: bool,
        command: Option<Box<RawValue>>,
        published: Option<Published>,
        error: Option<Value>,
        #[serde(rename = "room")]
        _room: Option<String>,
        #[serde(rename = "id")]
        _id: Option<String>,
    }
    let mut written = BTreeSet::new();
    for case in vectors::<Case>("client-frames.json") {
        let command = match case.command {
            Some(command) if !case.odd && case.error.is_none() => command,
            _ => continue,
        };
        let sent: Sent = serde_json::from_str(command.get()).unwrap_or_else(|err| panic!("{}: {}", case.name, err));
        let Sent { r#type: kind, room, id, state, after, epoch, latest, token, .. } = &sent;
        let got = match kind.as_str() {
            "message" => {
                let data = String::from_utf8(case.published.expect("published").bytes()).unwrap();
                let frame = encode_message(room, id, &RawValue::from_string(data.clone()).unwrap());
                assert!(frame.ends_with(&format!(",\"data\":{}}}", data)), "{}: {}", case.name, frame);
                frame
            }
            "subscribe" => Resume { after: *after, epoch: epoch.clone(), latest: *latest }.command(room),
            kind => Command { kind, room, id, state, after: *after, epoch, latest: *latest, token }.encode(),
        };
        assert_eq!(json(&got), json(&case.frame.expect("frame")), "{}", case.name);
        written.insert(sent.r#type);
    }
    for kind in ["message", "typing", "subscribe", "unsubscribe", "auth"] {
        assert!(written.contains(kind), "no vector has the command {}", kind);
    }
}

#[test]
fn queries() {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        after: Option<u64>,
        #[serde(default)]
        epoch: String,
        #[serde(default)]
        latest: bool,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        name: String,
        #[serde(default)]
        odd: bool,
        query: String,
        resume: Option<Asked>,
        error: Option<Value>,
    }
    let sorted = |query: &str| -> BTreeSet<String> {
        query.trim_start_matches('?').split('&').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let mut tried = 0;
    for case in vectors::<Case>("queries.json").into_iter().filter(|case| !case.odd && case.error.is_none()) {
        let Asked { after, epoch, latest } = case.resume.expect("resume");
        let mut got = String::new();
        Resume { after, epoch, latest }.add_to(&mut got);
        assert_eq!(sorted(&got), sorted(&case.query), "{}", case.name);
        tried += 1;
    }
    assert!(tried > 2);
}

#[test]
fn closes() {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        name: String,
        #[serde(default, rename = "unsent")]
        _unsent: bool,
        base64: String,
        code: Option<u16>,
        reason: Option<String>,
        retry_after_ms: Option<u128>,
        client: String,
    }
    for case in vectors::<Case>("closes.json") {
        let payload = data_encoding::BASE64.decode(case.base64.as_bytes()).unwrap();
        let close = match payload.len() {
            0 => Close::new(NO_STATUS, ""),
            _ => Close::new(u16::from_be_bytes([payload[0], payload[1]]), std::str::from_utf8(&payload[2..]).unwrap()),
        };
        assert_eq!(close.code, case.code.unwrap_or(NO_STATUS), "{}", case.name);
        assert_eq!(close.reason, case.reason.unwrap_or_default(), "{}", case.name);
        assert_eq!(close.retry_after.map(|wait| wait.as_millis()), case.retry_after_ms, "{}", case.name);
        let want = match case.client.as_str() {
            "refresh" => Action::Refresh,
            "skip" => Action::Skip,
            "login" => Action::Login,
            "stop" => Action::Stop,
            "reconnect" | "own" => Action::Reconnect, // its own never comes to a client that wants a connection
            other => panic!("{}: nobody knows what {} means", case.name, other),
        };
        assert_eq!(close.action(), want, "{}", case.name);
    }
}

/// Conversations are played by the fault course (e2e/course), to the whole client. A file of
/// another name nobody plays.
#[test]
fn no_other_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/protocol");
    for file in fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let known =
            ["client-frames", "queries", "gateway-frames", "errors", "closes"].map(|name| format!("{}.json", name));
        let conversation = name.starts_with("conversation-") && name.ends_with(".json");
        assert!(conversation || name == "README.md" || known.contains(&name), "{}", name);
    }
}
