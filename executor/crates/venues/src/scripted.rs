//! A server that answers what a test has written down, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub enum Then {
    Answer(u16, &'static str),
    /// Status, one header, body.
    With(u16, (&'static str, String), &'static str),
    /// Reads the request, and closes.
    HangUp,
}

pub struct Scripted {
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// `METHOD target body` of each request so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Answers one request after another; then there is nobody any more.
pub async fn serve(script: Vec<Then>) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        for then in script {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read(&mut stream).await;
            seen.lock().unwrap().push(request);
            let (status, header, body) = match then {
                Then::HangUp => continue,
                Then::Answer(status, body) => (status, String::new(), body),
                Then::With(status, (name, value), body) => (status, format!("{name}: {value}\r\n"), body),
            };
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status} -\r\nContent-Length: {length}\r\nConnection: close\r\n{header}\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    Scripted { url, asked }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                let mut words = head.split(' ');
                let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                return format!("{method} {target} {body}").trim_end().to_owned();
            }
        }
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.unwrap();
        assert!(count > 0, "the client went away in the middle of a request");
        bytes.extend_from_slice(&part[..count]);
    }
}
