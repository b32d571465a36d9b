//! Resolves an endpoint to socket addresses: by host names, this machine's own name, and its interfaces.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

use tokio::sync::Semaphore;

use crate::endpoint::{Endpoint, Host};

/// The addresses to listen on, best first. With port 0 the system chooses the port.
pub(crate) async fn to_listen(endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
    let port = endpoint.port.unwrap_or(0);
    match &endpoint.host {
        Host::Every => {
            let found = interfaces()?;
            if found.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::AddrNotAvailable,
                    "this machine has no address but loopback: name one, such as 127.0.0.1, to be reached from here \
                     alone, or 0.0.0.0 to be reached once it has others",
                ));
            }
            Ok(found.into_iter().map(|ip| (ip, port).into()).collect())
        }
        host => look_up(host, port).await,
    }
}

/// The addresses to connect to, in the order of the attempts.
pub(crate) async fn to_connect(endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
    let port = check_connect(endpoint)?;
    look_up(&endpoint.host, port).await
}

/// The port of an endpoint to connect to.
///
/// # Errors
/// If it is one to listen on only.
pub(crate) fn check_connect(endpoint: &Endpoint) -> io::Result<u16> {
    let wrong = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
    if endpoint.host == Host::Every {
        return Err(wrong(String::from(
            "* is a place to listen on, not one to connect to: name the peer's host",
        )));
    }
    endpoint.port.ok_or_else(|| {
        wrong(format!(
            "{:?} has no port: write the one that the peer listens on",
            endpoint.to_string()
        ))
    })
}

/// The addresses of this machine that others can use, best first ([`rank`]). IPv6 link-local addresses are left out,
/// because they are not usable without an interface.
pub(crate) fn interfaces() -> io::Result<Vec<IpAddr>> {
    let found = if_addrs::get_if_addrs().map_err(|error| {
        let text = format!("this machine's addresses cannot be read: {error}");
        io::Error::new(error.kind(), text)
    })?;
    Ok(order(found.iter().map(if_addrs::Interface::ip)))
}

fn order(found: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut found: Vec<_> = found.filter(useful).collect();
    found.sort_by_key(rank);
    unique(found)
}

/// The rank of an address among the addresses that one listener publishes, lowest first.
///
/// An address that fails at once costs a peer almost nothing, one that does not answer costs seconds (either costs an
/// AnyEvent::MP node 2 s). So addresses with the widest reach come first; and IPv4 before IPv6, since every host of an
/// AEMP network has IPv4, while IPv6 may be configured but not routed.
pub(crate) fn rank(ip: &IpAddr) -> u8 {
    match ip.to_canonical() {
        ip if ip.is_loopback() => 5,
        IpAddr::V4(ip) if ip.is_link_local() => 4,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => 4,
        IpAddr::V4(ip) if ip.is_private() || is_shared(ip) => 1,
        IpAddr::V4(_) => 0,
        IpAddr::V6(ip) if ip.is_unique_local() => 3,
        IpAddr::V6(_) => 2,
    }
}

/// Whether it is in 100.64.0.0/10 (carrier-grade NAT).
fn is_shared(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    first == 100 && second & 0xc0 == 64
}

fn useful(ip: &IpAddr) -> bool {
    !ip.is_loopback()
        && !ip.is_unspecified()
        && !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

async fn look_up(host: &Host, port: u16) -> io::Result<Vec<SocketAddr>> {
    match host {
        Host::Ip(ip) => Ok(vec![(*ip, port).into()]),
        Host::Name(name) => {
            let advice = "check the spelling and the name server, or write an address";
            by_name(name, port, advice).await
        }
        Host::Own | Host::Every => {
            let name = own_name()?;
            let advice = format!(
                "that is this machine's own name; write *:{port} for all its addresses, or name one"
            );
            let found = by_name(&name, port, &advice).await?;
            Ok(without_loopback(found))
        }
    }
}

/// Concurrent name lookups of all transports of the process. Each occupies a thread of the runtime's blocking pool (512
/// by default) until the system's resolver returns, which can be long after the caller has given up.
static LOOKUPS: Semaphore = Semaphore::const_new(32);

/// Runs the blocking function `look_up` with a permit of `permits`. If the future is dropped, the function continues to
/// run and keeps its permit.
async fn blocking<T: Send + 'static>(
    permits: &'static Semaphore,
    look_up: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    // The semaphore is never closed.
    let permit = permits.acquire().await.map_err(io::Error::other)?;
    let found = tokio::task::spawn_blocking(move || {
        let found = look_up();
        drop(permit);
        found
    });
    found.await.map_err(io::Error::other)?
}

async fn by_name(name: &str, port: u16, advice: &str) -> io::Result<Vec<SocketAddr>> {
    let unknown = |why: String| format!("the name {name:?} cannot be looked up ({why}): {advice}");
    let wanted = (String::from(name), port);
    let look_up = move || wanted.to_socket_addrs().map(Iterator::collect);
    match blocking(&LOOKUPS, look_up).await {
        Ok(found) => {
            let found: Vec<SocketAddr> = unique(found);
            if found.is_empty() {
                let text = unknown(String::from("it stands for no address"));
                return Err(io::Error::new(io::ErrorKind::NotFound, text));
            }
            Ok(found)
        }
        Err(error) => {
            let why = error.to_string();
            let why = why
                .strip_prefix("failed to lookup address information: ")
                .unwrap_or(&why);
            Err(io::Error::new(io::ErrorKind::NotFound, unknown(why.into())))
        }
    }
}

/// Removes loopback addresses, unless there are no others. Some systems' hosts files map the own name to `127.0.1.1`,
/// which other hosts cannot use.
fn without_loopback(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let others: Vec<_> = found
        .iter()
        .copied()
        .filter(|address| useful(&address.ip()))
        .collect();
    if others.is_empty() { found } else { others }
}

fn own_name() -> io::Result<String> {
    let name = hostname::get()?;
    name.into_string().map_err(|name| {
        let text = format!("this machine's own name {name:?} is not UTF-8: name an address");
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

fn unique<T: PartialEq>(from: Vec<T>) -> Vec<T> {
    let mut to = Vec::with_capacity(from.len());
    for item in from {
        if !to.contains(&item) {
            to.push(item);
        }
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_address_comes_first() {
        let found = [
            "127.0.0.1",
            "::1",
            "fe80::1",
            "169.254.7.7",
            "fd00::1",
            "2001:db8::1",
            "100.64.0.1",
            "10.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "10.0.0.1",
        ];
        let ordered = order(found.iter().map(|ip| ip.parse().unwrap()));
        let ordered: Vec<_> = ordered.iter().map(IpAddr::to_string).collect();
        assert_eq!(
            ordered,
            [
                "192.0.2.1",
                "100.64.0.1",
                "10.0.0.1",
                "192.168.1.1",
                "2001:db8::1",
                "fd00::1",
                "169.254.7.7"
            ]
        );
    }

    #[test]
    fn the_own_name_prefers_what_others_can_use() {
        let parse = |all: &[&str]| -> Vec<SocketAddr> {
            all.iter().map(|text| text.parse().unwrap()).collect()
        };
        let both = parse(&["127.0.1.1:1", "10.0.0.1:1"]);
        assert_eq!(without_loopback(both), parse(&["10.0.0.1:1"]));
        let loopback = parse(&["127.0.1.1:1"]);
        assert_eq!(without_loopback(loopback.clone()), loopback);
    }

    #[tokio::test]
    async fn look_ups_that_nobody_waits_for_any_more_take_no_further_threads() {
        static ROOM: Semaphore = Semaphore::const_new(2);
        let (begun, begins) = std::sync::mpsc::channel();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let ends = std::sync::Arc::new(std::sync::Mutex::new(ends));
        for _ in 0..5 {
            let (begun, ends) = (begun.clone(), ends.clone());
            let look_up = blocking(&ROOM, move || {
                begun.send(()).unwrap();
                // Blocks until the test releases one.
                let _ = ends.lock().unwrap().recv();
                Ok(())
            });
            let waited = tokio::time::timeout(std::time::Duration::from_millis(20), look_up);
            assert!(waited.await.is_err());
        }
        begins.recv().unwrap();
        begins.recv().unwrap();
        assert!(begins.try_recv().is_err(), "more than two look-ups began");
        // A returned permit is used again.
        end.send(()).unwrap();
        assert_eq!(blocking(&ROOM, || Ok(7)).await.unwrap(), 7);
        drop(end);
    }

    #[tokio::test]
    async fn what_cannot_be_connected_to_is_said() {
        let error = async |text: &str| {
            let endpoint = text.parse().unwrap();
            to_connect(&endpoint).await.unwrap_err().to_string()
        };
        assert_eq!(
            error("h").await,
            "\"h\" has no port: write the one that the peer listens on"
        );
        assert_eq!(
            error("*:1").await,
            "* is a place to listen on, not one to connect to: name the peer's host"
        );
    }
}
