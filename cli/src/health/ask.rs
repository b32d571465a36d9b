//! What an endpoint says, asked over HTTP.

use std::convert::Infallible;
use std::io;
use std::net::Ipv6Addr;

use aemp::profile::Endpoint;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Check;

/// Bytes of an answer.
const MAX_ANSWER: usize = 1 << 20;

/// Asks the endpoint at `at` for the checks under `path`.
///
/// # Errors
/// Why it did not say, in words.
pub(crate) async fn ask(at: &Endpoint, path: &str) -> Result<Vec<Check>, String> {
    let no_endpoint = |why: &str| format!("what answers there is no endpoint of health: {why}");
    let stream = connect(at).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| no_endpoint(&error.to_string()))?;
    let request = Request::get(path)
        .header(HOST, at.to_string())
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let exchange = async move {
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        Ok::<_, hyper::Error>((head.status, body))
    };
    // Worked on until the answer is there, and no longer: the other end may keep the connection.
    let connection = async {
        let _ = connection.await;
        std::future::pending::<Infallible>().await
    };
    let answer = tokio::select! {
        biased;
        answer = exchange => answer,
        never = connection => match never {},
    };
    let (status, body) = answer.map_err(|error| no_endpoint(&error.to_string()))?;
    let body = body.map_err(|error| no_endpoint(&error.to_string()))?;
    if ![StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(&status) {
        return Err(no_endpoint(&format!("it says {status} to {path}")));
    }
    let body = body.to_bytes();
    let text = String::from_utf8_lossy(&body);
    let checks: Option<Vec<Check>> = text.lines().map(Check::read).collect();
    checks.ok_or_else(|| no_endpoint(&format!("its answer to {path} is no list of checks")))
}

async fn connect(at: &Endpoint) -> io::Result<TcpStream> {
    let port = at.port();
    match at.host() {
        Some(host) => TcpStream::connect((host, port)).await,
        // Every address is one of this machine's: loopback is there in any case, in one of its forms.
        None => match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => Ok(stream),
            Err(error) => {
                let v6 = TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await;
                v6.map_err(|_| error)
            }
        },
    }
}
