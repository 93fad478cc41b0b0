//! A device: it publishes a measurement every so often, and obeys what is published to it:
//! `{"to":"NAME","every":SECONDS}` changes how often. NAME is the device's account.
//!
//!     device URL KEY [CA]     http://GATEWAY:8080, or https://… and the file with its CA

use edgegw::{Client, Event, Login, Message, Options, PublishError};
use serde::{Deserialize, Serialize};
use std::{
    env,
    error::Error,
    fs, process,
    time::{Duration, Instant},
};

#[derive(Serialize)]
struct Measurement {
    load: f32,
    /// Milliseconds since 1970, once the gateway has told the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u128>,
}

#[derive(Deserialize)]
struct Order {
    to: String,
    every: u64,
}

fn main() {
    if let Err(err) = run() {
        eprintln!("device: {}", err);
        process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let (url, key, ca) = match args.as_slice() {
        [url, key] => (url, key, None),
        [url, key, ca] => (url, key, Some(ca)),
        _ => return Err("usage: device URL KEY [CA]".into()),
    };
    let mut options = Options::new(url, Login::device(key));
    options.latest = true; // the newest order counts, however old it is
    trust(&mut options, ca)?;
    let (client, events) = Client::start(options)?;

    let mut name = String::new();
    let mut every = Duration::from_secs(10);
    let mut due = Instant::now();
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            due = Instant::now() + every;
            match client.try_send("", &measure(&client)) {
                Ok(_) => {}
                // The gateway has been away for long: this one is not worth the wait.
                Err(PublishError::Full) => eprintln!("device: a measurement is dropped"),
                Err(err) => return Err(err.into()),
            }
            continue;
        }
        match events.next_within(left) {
            Some(Event::Connected(welcome)) => name = welcome.user,
            Some(Event::Message(message)) => {
                if let Some(seconds) = order(&message, &name) {
                    every = Duration::from_secs(seconds.clamp(1, 86_400));
                    due = due.min(Instant::now() + every);
                    println!("device: every {:?} from now on, says {}", every, message.user);
                }
            }
            Some(Event::Acked(receipt)) => println!("device: stored as {}", receipt.seq),
            Some(Event::Failed { id, error, .. }) => eprintln!("device: {} was not stored: {}", id, error),
            Some(Event::Lost(lost)) => eprintln!("device: missed {} to {} ({})", lost.from, lost.to, lost.reason),
            Some(Event::Disconnected { error, wait: Some(wait) }) => {
                eprintln!("device: {}; again in {:?}", error, wait)
            }
            Some(Event::Stopped(error)) => return Err(error.to_string().into()),
            _ => {}
        }
    }
}

/// What there is to measure on any Linux: the load of the last minute.
fn measure(client: &Client) -> Measurement {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
    let since_1970 = client.server_time().and_then(|now| now.duration_since(std::time::UNIX_EPOCH).ok());
    Measurement { load, at: since_1970.map(|now| now.as_millis()) }
}

/// The seconds of a message that is an order to this device.
fn order(message: &Message, name: &str) -> Option<u64> {
    let order: Order = serde_json::from_str(message.data.get()).ok()?;
    Some(order.every).filter(|_| order.to == name && message.user != name)
}

#[cfg(feature = "rustls")]
fn trust(options: &mut Options, ca: Option<&String>) -> Result<(), Box<dyn Error>> {
    if let Some(file) = ca {
        options.tls = Some(edgegw::Tls::ca(fs::read(file)?).without_calendar());
    }
    Ok(())
}

#[cfg(not(feature = "rustls"))]
fn trust(_: &mut Options, ca: Option<&String>) -> Result<(), Box<dyn Error>> {
    match ca {
        Some(_) => Err("a CA needs the feature rustls".into()),
        None => Ok(()),
    }
}
