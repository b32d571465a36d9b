//! Builders that are filled from a configuration.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aemp_core::transport::{Listener, SocketConfig, Stream, Transport};
use aemp_core::{Address, Context, LocalNode, Message, NodeBuilder, Reason, Report, Value, reason};
use aemp_profile::{ProfileSource, Profiles, Sources};
use tokio::sync::oneshot::error::TryRecvError;

/// A transport that listens nowhere.
struct Refusing;

#[async_trait::async_trait]
impl Transport for Refusing {
    fn scheme(&self) -> &str {
        "tcp"
    }
    async fn listen(&self, _: &Address, _: &SocketConfig) -> io::Result<Box<dyn Listener>> {
        Err(io::Error::other("refused"))
    }
    async fn connect(&self, _: &Address, _: &SocketConfig) -> io::Result<Box<dyn Stream>> {
        Err(io::Error::other("refused"))
    }
}

struct Given(&'static str);

impl ProfileSource for Given {
    fn load(&self) -> Result<Value, Box<dyn Error + Send + Sync>> {
        Ok(serde_json::from_str(self.0)?)
    }
    fn host_name(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
        Ok("host".to_owned())
    }
}

fn of(file: &'static str) -> NodeBuilder {
    LocalNode::builder().profiles(Profiles(Given(file)))
}

fn with(file: &'static str) -> NodeBuilder {
    of(file).value("binds", Vec::new())
}

async fn failure(builder: NodeBuilder) -> String {
    let error = builder.start().await.expect_err("does not start");
    Report(&error).to_string()
}

#[tokio::test]
async fn the_profile_wins_over_the_program_unless_it_forces() {
    let file = r#"{"profile": {"p": {"nodeid": "of-the-file"}}}"#;
    let node = with(file)
        .id("of-the-program")
        .profile("p")
        .start()
        .await
        .unwrap();
    assert_eq!(node.id().as_str(), "of-the-file");
    let forced = with(file)
        .id("of-the-program")
        .profile("p")
        .value("force", true);
    assert_eq!(
        forced.start().await.unwrap().id().as_str(),
        "of-the-program"
    );
    let without = with(file)
        .id("of-the-program")
        .profile("q")
        .value("norc", true);
    assert_eq!(
        without.start().await.unwrap().id().as_str(),
        "of-the-program"
    );
}

#[tokio::test]
async fn what_the_profile_advertises_replaces_what_the_program_does_unless_it_forces() {
    // A port alone is refused, and named.
    let refused = async |file, force| {
        let builder = with(file).profile("p").advertise("1");
        failure(builder.value("force", force)).await
    };
    let of = |port: &str| {
        format!(
            "no peer can reach this node at {port}: a port alone is at each peer's own host: write host:port"
        )
    };
    let file = r#"{"profile": {"p": {"advertise": "binds,2"}}}"#;
    assert_eq!(refused(file, false).await, of("2"));
    assert_eq!(refused(file, true).await, of("1"));
    assert_eq!(refused(r#"{"profile": {"p": {}}}"#, false).await, of("1"));
}

#[tokio::test]
async fn without_a_name_the_hosts_profile_holds() {
    let node = with(r#"{"profile": {"host": {"nodeid": "%n-1"}}}"#)
        .host_profile()
        .start()
        .await
        .unwrap();
    assert_eq!(node.id().as_str(), "host-1");
    let node = with("{}").host_profile().start().await.unwrap();
    assert!(node.id().as_str().starts_with("host/"), "{}", node.id());
}

#[tokio::test]
async fn a_profile_that_the_file_does_not_have_is_an_error() {
    let error = failure(with(r#"{"profile": {"seed": {}}}"#).profile("sed")).await;
    assert_eq!(error, "there is no profile \"sed\"; did you mean \"seed\"?");
    struct Nowhere;
    impl ProfileSource for Nowhere {
        fn load(&self) -> Result<Value, Box<dyn Error + Send + Sync>> {
            Ok(aemp_core::Map::new().into())
        }
        fn no_file(&self) -> Option<String> {
            Some("there is no /etc/aemp".to_owned())
        }
        fn host_name(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
            Ok("host".to_owned())
        }
    }
    let builder = LocalNode::builder().profiles(Profiles(Nowhere));
    let error = failure(builder.profile("seed")).await;
    assert_eq!(
        error,
        "there is no profile \"seed\", since no configuration file was found: there is no /etc/aemp"
    );
}

#[tokio::test]
async fn without_binds_what_guards_a_node_in_the_end_says_where_it_listens() {
    let of = |file| {
        let builder = of(file).transport(aemp::Tcp::new());
        builder.codec(aemp::Json)
    };
    let at = |node: &LocalNode| node.addresses()[0].target().to_owned();
    let alone = of("{}").host_profile().start().await.unwrap();
    assert!(at(&alone).starts_with("127.0.0.1:"), "{}", at(&alone));
    assert_eq!(alone.addresses().len(), 1);
    // Of the program: nothing beyond loopback is bound in a test, but the address that is tried is known.
    let settings = |builder: NodeBuilder| builder.transport(Refusing).start();
    let guarded = of("{}").host_profile().secret("correct horse battery");
    let error = settings(guarded).await.unwrap_err();
    assert_eq!(Report(&error).to_string(), "cannot listen on *: refused");
    let written = r#"{"binds": "*:4040", "profile": {"p": {}}}"#;
    let error = settings(of(written).profile("p")).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("binds and seeds need a secret")
    );
}

#[tokio::test]
async fn a_value_alone_changes_nothing_else() {
    let node = of("{}").value("hung_check", false).start().await.unwrap();
    assert!(node.id().as_str().starts_with("anon/"), "{}", node.id());
    assert!(node.addresses().is_empty());
    let error = failure(of("{}").value("hung_chek", false)).await;
    assert!(error.contains("did you mean \"hung_check\"?"), "{error}");
    let error = failure(of("{}").value("monitor_timeout", 0.001)).await;
    let seconds = "takes a number of seconds from 0.05 on";
    assert!(error.contains(seconds), "{error}");
}

#[tokio::test]
async fn settings_of_the_program_count_where_they_differ_from_the_defaults() {
    let short = |builder: NodeBuilder| {
        builder
            .secret("four")
            .configure(|config| config.min_secret = 4)
    };
    short(with(r#"{"profile": {"p": {}}}"#))
        .profile("p")
        .start()
        .await
        .unwrap();
    let error =
        failure(short(with(r#"{"min_secret": 5, "profile": {"p": {}}}"#)).profile("p")).await;
    assert!(error.contains("at least 5 are needed"), "{error}");
}

#[tokio::test]
async fn what_this_version_does_not_have_is_an_error_at_start() {
    let cases = [
        (
            r#"{"cert": "-----BEGIN", "profile": {"p": {}}}"#,
            "cert is configured, and cannot be had: this program has no TLS",
        ),
        (
            r#"{"auth_accept": ["tls_sha3_512"], "profile": {"p": {}}}"#,
            "auth_accept is configured, and cannot be had",
        ),
    ];
    for (file, expected) in cases {
        let error = failure(with(file).profile("p")).await;
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_profile_or_a_value_without_a_place_to_find_profiles_is_an_error() {
    let builders = [
        LocalNode::builder().profile("p"),
        LocalNode::builder().value("hung_check", false),
    ];
    for builder in builders {
        let error = failure(builder).await;
        assert!(error.contains("enable the feature profile"), "{error}");
    }
}

#[tokio::test]
async fn services_run_in_order_with_their_arguments() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let file = r#"{"services": [["first", 1, "x"], "second"], "profile": {"p": {}}}"#;
    let services = |seen: &Arc<Mutex<Vec<String>>>| {
        let (first, second) = (seen.clone(), seen.clone());
        with(file)
            .profile("p")
            .service("first", move |node, (n, text): (i64, String)| {
                first
                    .lock()
                    .unwrap()
                    .push(format!("{} {n} {text}", node.id()));
            })
            .service("second", move |_, (): ()| -> Result<(), Reason> {
                second.lock().unwrap().push("second".to_owned());
                Err(reason!["no_room"])
            })
    };
    let error = failure(services(&seen).id("n")).await;
    assert_eq!(error, "the service \"second\" did not start: no_room");
    assert_eq!(*seen.lock().unwrap(), ["n 1 x", "second"]);

    let unknown = with(r#"{"services": ["fist"], "profile": {"p": {}}}"#)
        .profile("p")
        .service("first", |_, (): ()| {});
    let error = failure(unknown).await;
    assert!(
        error.contains("no service \"fist\", did you mean \"first\""),
        "{error}"
    );
}

#[tokio::test]
async fn nothing_is_left_of_a_node_whose_service_does_not_start() {
    let (left, mut gone) = tokio::sync::oneshot::channel::<()>();
    let left = Mutex::new(Some(left));
    let builder = with(r#"{"services": ["first", "second"], "profile": {"p": {}}}"#)
        .profile("p")
        .service("first", move |node, (): ()| {
            let held = (node.clone(), left.lock().unwrap().take());
            node.port(move |_: &mut Context<'_>, _: Message| {
                let _ = &held;
            });
        })
        .service("second", |_, (): ()| Err::<(), _>(reason!["no_room"]));
    failure(builder).await;
    assert_eq!(gone.try_recv(), Err(TryRecvError::Closed));
}

#[tokio::test]
async fn what_a_failed_source_says_is_passed_on() {
    struct Broken;
    impl ProfileSource for Broken {
        fn load(&self) -> Result<Value, Box<dyn Error + Send + Sync>> {
            Err("line 3".into())
        }
        fn host_name(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
            Ok("host".to_owned())
        }
    }
    let builder = || {
        LocalNode::builder()
            .profiles(Profiles(Broken))
            .value("binds", Vec::new())
            .profile("p")
    };
    let error = failure(builder()).await;
    assert_eq!(error, "the configuration cannot be had: line 3");
    let node = builder()
        .value("norc", true)
        .configure(|config| config.monitor_timeout = Duration::from_secs(5));
    node.start().await.unwrap();
}

#[tokio::test]
async fn a_value_that_follows_a_filled_in_profile_changes_that_alone() {
    let file = serde_json::from_str(
        r#"{"nodeid": "n", "binds": [], "secret": "caf\u00e9 correct horse", "services": [["s", 7]], "seeds": ["nowhere:1"]}"#,
    );
    let file: Value = file.unwrap();
    let mut sources = Sources::new("host", "WORD");
    sources.file = Some(&file);
    let profile = sources.resolve().unwrap();
    let builder = of("{}").service("s", |_, (_,): (u64,)| {});
    // With a secret, without which the seed would be an error; without a codec, which is the expected error.
    let error = failure(builder.fill(profile).value("hung_check", false)).await;
    assert!(error.contains("the node has no codec"), "{error}");

    let local = serde_json::from_str(r#"{"nodeid": "n", "binds": [], "services": [["s", 7]]}"#);
    let local: Value = local.unwrap();
    sources.file = Some(&local);
    let seen = Arc::new(Mutex::new(None));
    let told = seen.clone();
    let builder = of("{}").service("s", move |node, (n,): (u64,)| {
        *told.lock().unwrap() = Some((node.id().to_string(), n));
    });
    let filled = builder.fill(sources.resolve().unwrap());
    filled.value("hung_check", false).start().await.unwrap();
    assert_eq!(*seen.lock().unwrap(), Some(("n".to_owned(), 7)));

    let only_tls = serde_json::from_str(r#"{"auth_accept": ["tls_sha3_512"], "binds": []}"#);
    let only_tls: Value = only_tls.unwrap();
    sources.file = Some(&only_tls);
    let filled = of("{}").fill(sources.resolve().unwrap());
    let error = failure(filled.value("hung_check", false)).await;
    assert!(error.contains("auth_accept is configured"), "{error}");
}
