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

use super::places::{Asked, Places};
use super::{Check, Health, LIVE, METRICS, READY, metrics};

/// Connections from other hosts at a time.
const MAX_CONNECTIONS: usize = 64;

/// Connections from this host at a time: those of others take no place of `aemp health`.
const MAX_OF_LOOPBACK: usize = 16;

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
    let mut of_others = Places::new(MAX_CONNECTIONS);
    let mut of_loopback = Places::new(MAX_OF_LOOPBACK);
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let places = match from.ip().to_canonical().is_loopback() {
                    true => &mut of_loopback,
                    false => &mut of_others,
                };
                places.add(from.ip(), |asked| handle(stream, asked, health.clone()));
                // A request that is there already is answered before another connection can take its place.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                tracing::debug!(target: "aemp::run", %error, "no connection to the endpoint of health was accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn handle(stream: TcpStream, asked: Asked, health: Arc<Health>) {
    let service = service_fn(|request| {
        asked.set();
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
