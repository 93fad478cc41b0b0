//! What the fault course does not ask of a client: its own promises to an application.

mod fake;

use edgegw::{Client, Error, Event, Events, Login, Options, Position, PublishError, RawValue};
use fake::{problem, Fake, Script};
use serde_json::{json, Value};
use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(20);

fn options(fake: &Fake) -> Options {
    let mut options = Options::new(&fake.url, Login::device("key"));
    options.room = "lobby".into();
    options
}

/// Takes events until one is as it should be.
fn until<R>(events: &Events, mut look: impl FnMut(Event) -> Option<R>) -> R {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let event = events.next_within(deadline.saturating_duration_since(Instant::now()));
        if let Some(found) = look(event.expect("the event did not come")) {
            return found;
        }
    }
}

fn connected(events: &Events) {
    until(events, |event| matches!(event, Event::Subscribed(_)).then(|| ()));
}

/// A script that sends each command on, and acknowledges nothing.
fn mute(to: mpsc::Sender<Value>) -> Script {
    Box::new(move |peer| {
        peer.hello();
        while let command @ Value::Object(_) = peer.command() {
            let _ = to.send(command);
        }
    })
}

#[test]
fn publish_waits_for_the_ack_and_no_longer_than_it_may() {
    let (to, commands) = mpsc::channel();
    let fake = Fake::start(vec![
        Box::new(move |peer| {
            peer.hello();
            let command = peer.command();
            peer.ack(&command, 41);
            to.send(command).unwrap();
            to.send(peer.command()).unwrap(); // no ack
            std::thread::sleep(Duration::from_millis(400));
            peer.close(1012, "restart retry_after_ms=1");
        }),
        Box::new(|peer| peer.hello()),
    ]);
    let (client, _events) = Client::start(options(&fake)).unwrap();
    let data = RawValue::from_string(r#"{"n": 1.50e0}"#.into()).unwrap();
    let receipt = client.publish("", &*data, PATIENCE).unwrap();
    assert_eq!((receipt.seq, receipt.room.as_str(), receipt.durability.as_str()), (41, "lobby", "queued"));
    assert_eq!(commands.recv().unwrap()["id"], receipt.id.as_str());
    let late = client.publish("", &2, Duration::from_millis(200));
    assert!(matches!(late, Err(PublishError::Unconfirmed)), "{:?}", late);
    let given_up = commands.recv().unwrap();
    // What was given up does not come again; what follows does.
    let receipt = client.publish("", &3, PATIENCE).unwrap();
    assert_eq!(receipt.seq, 1, "{} came again", given_up);
}

#[test]
fn the_outbox_is_bounded() {
    let (to, _commands) = mpsc::channel();
    let fake = Fake::start(vec![mute(to)]);
    let mut options = options(&fake);
    options.outbox = 2;
    let (client, _events) = Client::start(options).unwrap();
    client.send_as("", "one", &1).unwrap();
    assert!(matches!(client.send_as("", "one", &1), Err(PublishError::DuplicateId)));
    assert!(matches!(client.send_as("", &"x".repeat(65), &1), Err(PublishError::BadId)));
    assert!(matches!(client.send_as("", "", &1), Err(PublishError::BadId)));
    let no_json = std::collections::BTreeMap::from([((1, 2), 3)]);
    assert!(matches!(client.send("", &no_json), Err(PublishError::Data(_))));
    client.send("", &2).unwrap();
    assert!(matches!(client.try_send("", &3), Err(PublishError::Full)));
    let late = client.publish("", &4, Duration::from_millis(100));
    assert!(matches!(late, Err(PublishError::Full)), "{:?}", late);
}

#[test]
fn a_message_that_is_too_long_or_refused_fails_alone() {
    let fake = Fake::start(vec![Box::new(|peer| {
        peer.hello();
        // The one that is refused, and the good one, which comes again.
        for code in ["forbidden", "unavailable"] {
            let id = peer.command()["id"].take();
            peer.send(json!({ "type": "error", "code": code, "message": "no", "room": "lobby", "id": id }));
        }
    })]);
    let (client, events) = Client::start(options(&fake)).unwrap();
    connected(&events);
    client.send_as("", "long", &"x".repeat(1000)).unwrap();
    client.send_as("", "refused", &1).unwrap();
    client.send_as("", "good", &2).unwrap();
    let (mut failed, mut acked) = (Vec::new(), None);
    until(&events, |event| {
        match event {
            Event::Failed { id, error, .. } => failed.push((id, error)),
            Event::Acked(receipt) => acked = Some(receipt.id),
            _ => {}
        }
        if failed.len() < 2 || acked.is_none() {
            return None;
        }
        Some(())
    });
    failed.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(
        matches!(&failed[..], [(long, PublishError::TooLarge), (refused, PublishError::Refused(why))]
        if long == "long" && refused == "refused" && why.code == "forbidden"),
        "{:?}",
        failed
    );
    assert_eq!(acked.as_deref(), Some("good"));
}

#[test]
fn rooms_are_left_before_they_are_joined_again() {
    let (to, commands) = mpsc::channel();
    let fake = Fake::start(vec![Box::new(move |peer| {
        peer.hello();
        let first = peer.command();
        peer.send(json!({ "type": "subscribed", "room": "hall", "epoch": "h", "seq": 3 }));
        to.send(first).unwrap();
        for _ in 0..3 {
            to.send(peer.command()).unwrap();
        }
        peer.send(json!({ "type": "error", "code": "forbidden", "message": "no", "room": "safe" }));
    })]);
    let (client, events) = Client::start(options(&fake)).unwrap();
    connected(&events);
    assert!(client.subscribe("", None, false).is_err());
    client.subscribe("hall", None, false).unwrap();
    until(&events, |event| matches!(event, Event::Subscribed(s) if s.room == "hall").then(|| ()));
    assert_eq!(client.position("hall"), Some(Position { epoch: "h".into(), seq: 3 }));
    client.unsubscribe("hall");
    client.subscribe("hall", Some(Position { epoch: "h".into(), seq: 2 }), true).unwrap();
    let next = || commands.recv_timeout(PATIENCE).unwrap();
    assert_eq!(next(), json!({ "type": "subscribe", "room": "hall" }));
    assert_eq!(next(), json!({ "type": "unsubscribe", "room": "hall" }));
    assert_eq!(next(), json!({ "type": "subscribe", "room": "hall", "after": 2, "epoch": "h", "latest": true }));
    client.subscribe("safe", None, false).unwrap();
    next();
    let reason = until(&events, |event| match event {
        Event::Unsubscribed { room, reason } if room == "safe" => Some(reason),
        _ => None,
    });
    assert_eq!(reason, "forbidden");
    assert_eq!(client.position("safe"), None);
}

#[test]
fn a_slow_application_loses_nothing() {
    const MANY: u64 = 300;
    let fake = Fake::start(vec![Box::new(|peer| {
        peer.hello();
        (1..=MANY).for_each(|seq| peer.message(seq));
    })]);
    let mut options = options(&fake);
    options.queue = 2;
    let (_client, events) = Client::start(options).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(events.waiting() <= 4, "{} events wait", events.waiting());
    let mut next = 1;
    until(&events, |event| {
        if let Event::Message(m) = event {
            assert_eq!((m.seq, m.data.get()), (next, next.to_string().as_str()));
            next += 1;
        }
        if next <= MANY {
            return None;
        }
        Some(())
    });
}

#[test]
fn it_asks_for_where_it_was() {
    let fake = Fake::start(vec![Box::new(|peer| {
        peer.welcome();
        peer.send(json!({ "type": "subscribed", "room": "lobby", "epoch": "e 2", "seq": 9, "recovered": true, "replay": 2, "from": 1 }));
        peer.message(8);
        peer.close(4002, "slow_consumer retry_after_ms=1");
    })]);
    let mut options = options(&fake);
    options.from = Some(Position { epoch: "e1".into(), seq: 7 });
    options.latest = true;
    let (client, events) = Client::start(options).unwrap();
    until(&events, |event| matches!(event, Event::Message(m) if m.seq == 8 && m.epoch == "e 2").then(|| ()));
    until(&events, |event| matches!(event, Event::Disconnected { wait: Some(_), .. }).then(|| ()));
    until(&events, |event| matches!(event, Event::Connected(_)).then(|| ()));
    let asked: Vec<_> = fake.lines().into_iter().filter(|line| line.contains("/ws")).collect();
    assert_eq!(asked[0], "GET /ws?room=lobby&after=7&epoch=e1&latest=1");
    assert_eq!(asked[1], "GET /ws?room=lobby&after=8&epoch=e%202&latest=1");
    let now = client.server_time().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!((1_795_455_897_123..1_795_455_957_123).contains(&now.as_millis()), "{:?}", now);
    assert_eq!(client.access_token().as_deref(), Some("a1"));
}

#[test]
fn where_the_token_goes() {
    for subprotocol in [false, true] {
        let fake = Fake::start(vec![]);
        let mut options = options(&fake);
        options.subprotocol = subprotocol;
        let (_client, events) = Client::start(options).unwrap();
        connected(&events);
        let head = fake.asked().pop().unwrap().head;
        assert_eq!(head.contains("Sec-WebSocket-Protocol: bearer, a1\r\n"), subprotocol, "{}", head);
        assert_eq!(head.contains("Authorization: Bearer a1\r\n"), !subprotocol, "{}", head);
    }
}

#[test]
fn a_token_is_renewed_in_place_once_the_gateway_can() {
    let (to, tokens) = mpsc::channel();
    let fake = Fake::start(vec![Box::new(move |peer| {
        peer.hello();
        peer.send(json!({ "type": "token_expiring", "expires_in": 1 }));
        let command = peer.command();
        peer.send(json!({ "type": "auth_ok", "expires_in": 900 }));
        to.send(command).unwrap();
    })]);
    fake.answer("/auth/refresh", problem(503, "Retry-After: 1\r\n", "unavailable"));
    let (client, events) = Client::start(options(&fake)).unwrap();
    let auth = tokens.recv_timeout(PATIENCE).unwrap();
    assert_eq!(auth, json!({ "type": "auth", "token": "a4" }));
    assert_eq!(fake.asked()[3].body, r#"{"refresh_token":"r1"}"#);
    client.publish("", &1, PATIENCE).unwrap();
    assert_eq!(fake.lines().iter().filter(|line| line.contains("/ws")).count(), 1);
    while let Some(event) = events.next_within(Duration::ZERO) {
        assert!(!matches!(event, Event::Disconnected { .. }), "{:?}", event);
    }
}

#[test]
fn it_stops_when_there_is_nothing_to_log_in_with() {
    let fake = Fake::start(vec![]);
    fake.answer("/auth/refresh", problem(401, "", "token_reused"));
    let mut options = options(&fake);
    options.login = Login::session("spent");
    let (client, events) = Client::start(options).unwrap();
    let error = until(&events, |event| match event {
        Event::Stopped(error) => Some(error),
        _ => None,
    });
    assert!(matches!(&*error, Error::LoginNeeded(Some(why)) if why.code == "token_reused"), "{:?}", error);
    assert!(events.next_event().is_none());
    assert!(matches!(client.send("", &1), Err(PublishError::Stopped)));
    assert!(matches!(client.publish("", &1, PATIENCE), Err(PublishError::Stopped)));
    assert_eq!(fake.lines(), ["POST /auth/refresh"]);
}

#[test]
fn stopping_is_quick_and_says_goodbye() {
    // Nobody listens, and nobody answers.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for listener in [&closed, &silent] {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (client, _events) = Client::start(Options::new(url, Login::device("key"))).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let told = Instant::now();
        client.stop();
        assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
    }
    let (to, gone) = mpsc::channel();
    let (commands, _) = mpsc::channel();
    let fake = Fake::start(vec![Box::new(move |peer| {
        mute(commands)(peer);
        to.send(()).unwrap();
    })]);
    let (client, events) = Client::start(options(&fake)).unwrap();
    connected(&events);
    client.send("", &1).unwrap();
    let told = Instant::now();
    drop(client);
    assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
    gone.recv_timeout(PATIENCE).unwrap();
    assert!(events.into_iter().all(|event| !matches!(event, Event::Stopped(_) | Event::Failed { .. })));
}

#[test]
fn without_anybody_who_takes_events_it_publishes() {
    let fake = Fake::start(vec![Box::new(|peer| {
        peer.hello();
        (1..=20).for_each(|seq| peer.message(seq));
    })]);
    let mut options = options(&fake);
    options.queue = 1;
    let (client, events) = Client::start(options).unwrap();
    drop(events);
    client.publish("", &1, PATIENCE).unwrap();
}

#[test]
fn a_save_that_panics_leaves_nobody_waiting() {
    let fake = Fake::start(vec![]);
    let mut options = options(&fake);
    options.login = Login::device("key").save(|_| panic!("as the test wants it"));
    let (client, events) = Client::start(options).unwrap();
    let outcome = client.publish("", &1, PATIENCE);
    assert!(matches!(outcome, Err(PublishError::Stopped)), "{:?}", outcome);
    assert!(events.next_event().is_none());
}
