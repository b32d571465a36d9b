//! The HTTP endpoint: `/live`, `/ready` and `/metrics`, for anybody who can reach its address.
//!
//! It reads the head of one request of each connection, never a body, and answers from what is known, so a request costs little.
//! What anybody can hold of it is limited by the constants below.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use aemp::profile::Endpoint;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Check, Health, LIVE, METRICS, READY, metrics};

/// Connections at a time. One more takes the place of the oldest, so that nobody keeps a probe out by holding them.
const MAX_CONNECTIONS: usize = 64;

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may take in all.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a request's head.
const MAX_HEAD: usize = 16 << 10;

/// How long nothing is accepted after an error, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Binds the address of an endpoint. Connections wait until [`serve`] has it.
pub(crate) fn listen(at: &Endpoint) -> io::Result<TcpListener> {
    let port = at.port();
    let listener = match at.host() {
        Some(host) => TcpListener::bind((host, port)),
        // That takes IPv4 as well, but where the system has no IPv6 or is told otherwise.
        None => match TcpListener::bind(("::", port)) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind(("0.0.0.0", port))
            }
            bound => bound,
        },
    }?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers at `listener` for ever.
pub(super) async fn serve(listener: TcpListener, health: Arc<Health>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(target: "aemp::run", %error, "health cannot be asked for");
            return;
        }
    };
    let mut connections = Connections::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => connections.add(stream, health.clone()),
            Err(error) => {
                tracing::debug!(target: "aemp::run", %error, "no connection to the endpoint of health was accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The connections that are open, in the order in which they came.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    order: std::collections::VecDeque<tokio::task::AbortHandle>,
}

impl Connections {
    fn add(&mut self, stream: TcpStream, health: Arc<Health>) {
        while self.tasks.try_join_next().is_some() {}
        self.order.retain(|task| !task.is_finished());
        if self.order.len() >= MAX_CONNECTIONS
            && let Some(oldest) = self.order.pop_front()
        {
            oldest.abort();
        }
        self.order
            .push_back(self.tasks.spawn(handle(stream, health)));
    }
}

async fn handle(stream: TcpStream, health: Arc<Health>) {
    let service = service_fn(|request| {
        let answer = answer(&request, &health);
        async { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::debug!(target: "aemp::run", %error, "a request for health failed");
        }
        Err(_) => tracing::debug!(target: "aemp::run", "a request for health took too long"),
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

fn answer(request: &Request<Incoming>, health: &Health) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if ![LIVE, READY, METRICS].contains(&path) {
        let text = format!("there are {LIVE}, {READY} and {METRICS}\n");
        return response(StatusCode::NOT_FOUND, TEXT, text);
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let text = format!("{path} takes GET\n");
        let mut response = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, text);
        let headers = response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        LIVE => checked(&health.live()),
        READY => checked(&health.ready()),
        _ => {
            let text = metrics::text(&health.node);
            response(StatusCode::OK, metrics::CONTENT_TYPE, text)
        }
    }
}

/// A line for each check.
fn checked(checks: &[Check]) -> Response<Full<Bytes>> {
    let status = match Check::all_are_well(checks) {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let lines = checks.iter().map(|check| format!("{check}\n"));
    response(status, TEXT, lines.collect())
}

fn response(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
