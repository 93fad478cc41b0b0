//! The driver of the fault course of edgegw, whose README.md says what it is told and what it
//! tells (e2e/course).

use edgegw::{Client, Error, Event, Login, Options, RawValue};
use serde::{Deserialize, Serialize};
use std::{
    env,
    io::{self, BufRead},
    process,
    thread::JoinHandle,
    time::{Duration, UNIX_EPOCH},
};

/// One line of standard input.
#[derive(Deserialize)]
struct Command<'a> {
    r#do: &'a str,
    #[serde(default)]
    id: &'a str,
    #[serde(default)]
    room: &'a str,
    #[serde(default)]
    state: &'a str,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

fn main() {
    let fail = |err: String| -> ! {
        eprintln!("driver: {}", err);
        process::exit(2)
    };
    let options = options().unwrap_or_else(|err| fail(err));
    let (client, events) = Client::start(options).unwrap_or_else(|err| fail(err.to_string()));
    let obeying: JoinHandle<Result<(), String>> = std::thread::spawn(move || obey_all(client));
    for event in events {
        if let Event::Stopped(error) = &event {
            print("stopped", &[("code", json(&code_of(error))), ("reason", json(&error.to_string()))]);
            process::exit(3);
        }
        tell(event);
    }
    match obeying.join() {
        Ok(Ok(())) => {}
        Ok(Err(err)) => fail(err),
        Err(_) => fail("panicked".into()),
    }
}

fn options() -> Result<Options, String> {
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let (key, refresh) = (variable("COURSE_DEVICE_KEY"), variable("COURSE_REFRESH"));
    let mut login = match key.is_empty() {
        false => Login::device(key),
        true => Login::password(variable("COURSE_USER"), variable("COURSE_PASSWORD")),
    };
    if !refresh.is_empty() {
        login = login.refresh_token(refresh);
    }
    let login = login.save(|token| print("login", &[("refresh_token", json(token))]));
    let mut options = Options::new(variable("COURSE_URL"), login);
    options.room = variable("COURSE_ROOM");
    let timeout = variable("COURSE_TIMEOUT_MS");
    if !timeout.is_empty() {
        options.timeout = Duration::from_millis(timeout.parse().map_err(|_| "COURSE_TIMEOUT_MS")?);
    }
    #[cfg(feature = "rustls")]
    if let Ok(file) = env::var("COURSE_CA") {
        let ca = std::fs::read(file).map_err(|err| err.to_string())?;
        options.tls = Some(edgegw::Tls::ca(ca).without_calendar());
    }
    Ok(options)
}

/// Does what it is told until it is told to stop.
fn obey_all(client: Client) -> Result<(), String> {
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|err| err.to_string())?;
        let command: Command = serde_json::from_str(&line).map_err(|err| format!("{}: {}", line, err))?;
        if command.r#do == "stop" {
            break;
        }
        obey(&client, &command).map_err(|err| format!("{}: {}", line, err))?;
    }
    client.stop();
    Ok(())
}

fn obey(client: &Client, command: &Command) -> Result<(), String> {
    match (command.r#do, command.data) {
        ("publish", Some(data)) => client.send_as("", command.id, data).map_err(|err| err.to_string()),
        ("subscribe", _) => client.subscribe(command.room, None, false).map_err(|err| err.to_string()),
        ("typing", _) => {
            client.typing("", command.state == "start");
            Ok(())
        }
        ("time", _) => {
            let now = client.server_time().and_then(|now| now.duration_since(UNIX_EPOCH).ok());
            print("time", &[("unix_ms", json(&now.map(|now| now.as_millis())))]);
            Ok(())
        }
        _ => Err("unknown command".into()),
    }
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("strings and numbers become JSON")
}

/// Prints an event of members that are JSON already: data may be too deep for an encoder.
fn print(event: &str, members: &[(&str, String)]) {
    let mut line = format!("{{\"event\":{}", json(event));
    for (name, value) in members {
        line += &format!(",{}:{}", json(name), value);
    }
    println!("{}}}", line);
}

fn tell(event: Event) {
    match event {
        Event::Connected(welcome) => print("connected", &[("room", json(&welcome.room))]),
        Event::Subscribed(s) => print(
            "subscribed",
            &[
                ("room", json(&s.room)),
                ("epoch", json(&s.epoch)),
                ("seq", json(&s.seq)),
                ("recovered", json(&s.recovered)),
                ("replay", json(&s.replay)),
            ],
        ),
        Event::Message(m) => {
            let mut members = vec![("room", json(&m.room)), ("seq", json(&m.seq)), ("user", json(&m.user))];
            members.push(("data", m.data.get().to_owned()));
            for (name, value) in [("id", &m.id), ("encoding", &m.encoding)] {
                if !value.is_empty() {
                    members.push((name, json(value)));
                }
            }
            print("message", &members);
        }
        Event::Acked(receipt) => print("ack", &[("id", json(&receipt.id)), ("seq", json(&receipt.seq))]),
        Event::Failed { id, error, .. } => print("failed", &[("id", json(&id)), ("code", json(&error.to_string()))]),
        Event::Lost(l) => {
            let name = if matches!(l.reason.as_str(), "not_recovered" | "purged") { "lost" } else { "gap" };
            let members = [("room", json(&l.room)), ("from", json(&l.from)), ("to", json(&l.to))];
            print(name, &[&members[..], &[("reason", json(&l.reason))]].concat());
        }
        Event::Typing { room, user, active } => {
            let state = if active { "start" } else { "stop" };
            print("typing", &[("room", json(&room)), ("user", json(&user)), ("state", json(state))]);
        }
        Event::Presence { room, user, joined, count } => {
            let what = if joined { "join" } else { "leave" };
            let members = [("room", json(&room)), ("user", json(&user)), ("what", json(what)), ("count", json(&count))];
            print("presence", &members);
        }
        Event::Disconnected { error, wait } => {
            let wait = wait.map_or(-1, |wait| wait.as_millis().max(1) as i64);
            let members = [("code", json(&code_of(&error))), ("reason", json(&error.to_string()))];
            print("closed", &[&members[..], &[("wait_ms", json(&wait))]].concat());
        }
        _ => {}
    }
}

/// The close code, the status of a refusal, or 0.
fn code_of(error: &Error) -> u16 {
    match error {
        Error::Closed(close) => close.code,
        Error::Refused(refusal) | Error::LoginNeeded(Some(refusal)) => refusal.status,
        _ => 0,
    }
}
