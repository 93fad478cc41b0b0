//! A gateway that a test plays: it logs anyone in, and gives each WebSocket to a script.

use serde_json::{json, Value};
use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};
use tungstenite::{handshake::derive_accept_key, protocol::Role, Message, WebSocket};

/// What happens on one WebSocket, behind its handshake.
pub type Script = Box<dyn FnOnce(&mut Peer) + Send>;

/// The client's side of a request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and path with its query.
    pub line: String,
    pub head: String,
    pub body: String,
}

#[derive(Default)]
struct Plan {
    scripts: VecDeque<Script>,
    /// Answers to requests of a path, before the usual one.
    answers: VecDeque<(&'static str, String)>,
    asked: Vec<Asked>,
}

pub struct Fake {
    pub url: String,
    plan: Arc<Mutex<Plan>>,
}

impl Fake {
    /// Starts one, which plays the scripts to the WebSockets that come, and then `serve`.
    pub fn start(scripts: Vec<Script>) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let plan = Arc::new(Mutex::new(Plan { scripts: scripts.into(), ..Plan::default() }));
        let shared = plan.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let plan = shared.clone();
                thread::spawn(move || answer(stream, &plan));
            }
        });
        Fake { url, plan }
    }

    /// Answers the next request of a path with this instead: a status line, headers, an
    /// empty line and a body.
    pub fn answer(&self, path: &'static str, answer: impl Into<String>) {
        self.plan.lock().unwrap().answers.push_back((path, answer.into()));
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.plan.lock().unwrap().asked.clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

/// An answer with a body of JSON.
pub fn problem(status: u16, header: &str, code: &str) -> String {
    let body = json!({ "code": code }).to_string();
    format!("HTTP/1.1 {} No\r\n{}Content-Length: {}\r\n\r\n{}", status, header, body.len(), body)
}

fn answer(stream: TcpStream, plan: &Mutex<Plan>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    };
    let mut body = vec![0; header("Content-Length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let path = line.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();

    let (n, own, script) = {
        let mut plan = plan.lock().unwrap();
        plan.asked.push(Asked { line, head: head.clone(), body: String::from_utf8(body).unwrap() });
        let at = plan.answers.iter().position(|(of, _)| *of == path);
        let own = at.and_then(|at| plan.answers.remove(at)).map(|(_, answer)| answer);
        let script = if path == "/ws" && own.is_none() { plan.scripts.pop_front() } else { None };
        (plan.asked.len(), own, script)
    };
    let mut stream = stream;
    if let Some(own) = own {
        let _ = stream.write_all(own.as_bytes());
    } else if path == "/ws" {
        let protocol = header("Sec-WebSocket-Protocol").map_or("", |_| "Sec-WebSocket-Protocol: bearer\r\n");
        let accept = derive_accept_key(header("Sec-WebSocket-Key").unwrap().as_bytes());
        let _ = write!(
            stream,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n{}\r\n",
            accept, protocol
        );
        let mut peer = Peer { ws: WebSocket::from_raw_socket(stream, Role::Server, None) };
        match script {
            Some(script) => script(&mut peer),
            None => peer.hello(),
        }
        peer.serve();
    } else {
        let pair = json!({ "access_token": format!("a{}", n), "expires_in": 900, "refresh_token": format!("r{}", n) })
            .to_string();
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", pair.len(), pair);
    }
}

/// The gateway's end of a WebSocket.
pub struct Peer {
    ws: WebSocket<TcpStream>,
}

impl Peer {
    pub fn send(&mut self, frame: Value) {
        let _ = self.ws.send(Message::text(frame.to_string())); // the client may have gone
    }

    /// Says the welcome, and what room lobby has, which is empty.
    pub fn hello(&mut self) {
        self.welcome();
        self.send(json!({ "type": "subscribed", "room": "lobby", "epoch": "e1", "seq": 0 }));
    }

    pub fn welcome(&mut self) {
        self.send(json!({ "type": "welcome", "protocol": 1, "user": "ann", "role": "device", "room": "lobby",
            "connection": "c", "server_time": 1_795_455_897_123u64, "clock": "synced", "expires_in": 900,
            "ping_interval": 25, "max_message_bytes": 1000 }));
    }

    pub fn message(&mut self, seq: u64) {
        self.send(json!({ "type": "message", "room": "lobby", "seq": seq, "ts": 5, "user": "bob", "data": seq }));
    }

    /// The client's next command, or null when it has gone.
    pub fn command(&mut self) -> Value {
        loop {
            match self.ws.read() {
                Ok(Message::Text(text)) => return serde_json::from_str(&text).unwrap(),
                Ok(Message::Close(_)) | Err(_) => return Value::Null,
                Ok(_) => {}
            }
        }
    }

    pub fn ack(&mut self, command: &Value, seq: u64) {
        let id = &command["id"];
        self.send(json!({ "type": "ack", "id": id, "room": "lobby", "seq": seq, "ts": 7, "durability": "queued" }));
    }

    /// Acknowledges what comes, until the client has gone.
    pub fn serve(&mut self) {
        for seq in 1.. {
            match self.command() {
                Value::Null => break,
                command if command["type"] == "message" => self.ack(&command, seq),
                _ => {}
            }
        }
        let _ = self.ws.flush(); // the answer to a close frame
        thread::sleep(Duration::from_millis(1));
    }

    /// Closes as the gateway does.
    pub fn close(&mut self, code: u16, reason: &'static str) {
        let frame = tungstenite::protocol::CloseFrame { code: code.into(), reason: reason.into() };
        let _ = self.ws.close(Some(frame));
    }
}
