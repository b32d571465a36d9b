//! Nodes that are configured by a file, as `aemp::node().profile("seed")` configures them.

use std::time::Duration;
use std::{env, fs, process};

use aemp::Value;
use aemp::profile::{ConfigFile, Scope};

#[tokio::test]
async fn two_profiles_of_one_file_make_a_network() {
    let folder = env::temp_dir().join(format!("aemp-facade-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = ConfigFile::from_path(folder.join("config"));
    let list = |text: &str| Value::from(vec![text.into()]);
    file.update(|document| {
        let secret = "correct horse battery staple";
        document.set(Scope::Global, "secret", secret.into());
        document.set(Scope::Profile("seed"), "binds", list("127.0.0.1:*"));
        document.set(Scope::Profile("seed"), "nodeid", "seed".into());
        document.set(Scope::Profile("seed"), "services", list("greeter"));
        document.set(Scope::Profile("local"), "binds", Value::from(Vec::new()));
        document.set(Scope::Profile("client"), "parent", "local".into());
    })
    .unwrap();

    let seed = aemp::node().profiles(file.clone()).profile("seed");
    let seed = seed.service("greeter", |node, (): ()| {
        let greet = |cx: &mut aemp::Context<'_>, (name, reply): (String, aemp::PortId)| {
            cx.send(&reply, (format!("hello, {name}"),));
        };
        let greeter = node.port_of_named("greeter", aemp::routes().on("greet", greet));
        greeter.map(drop)
    });
    let seed = seed.start().await.unwrap();

    let address = list(&seed.addresses()[0].to_string());
    file.update(|document| document.set(Scope::Profile("client"), "seeds", address))
        .unwrap();
    let client = aemp::node().profiles(file).profile("client");
    let client = client.start().await.unwrap();
    assert!(client.id().as_str().starts_with("client/"));
    let call = client.call("seed#greeter", ("greet", "me"));
    let (answer,): (String,) = call.within(Duration::from_secs(20)).await.unwrap();
    assert_eq!(answer, "hello, me");
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn auth_methods_are_those_of_the_configuration() {
    let secret = "correct horse battery staple";
    let node = |methods: &str| {
        let builder = aemp::node().secret(secret).value("auth_accept", methods);
        builder.value("auth_offer", methods)
    };
    let seed = node("cleartext").bind("127.0.0.1:*").start().await.unwrap();
    let address = seed.addresses()[0].to_string();
    // The same secret, and no method in common.
    let apart = node("hmac_sha3_512").seed(&address).start().await.unwrap();
    let joined = tokio::time::timeout(Duration::from_secs(20), apart.joined());
    let error = aemp::error::Report(&joined.await.unwrap().unwrap_err()).to_string();
    assert!(error.contains("no auth method in common"), "{error}");
    let alike = node("cleartext").seed(&address).start().await.unwrap();
    let joined = tokio::time::timeout(Duration::from_secs(20), alike.joined());
    joined.await.unwrap().unwrap();
}

#[test]
fn errors_of_all_parts_become_one_of_the_library_by_a_question_mark() {
    type Try = fn() -> aemp::Result<()>;
    let tries: [(Try, &str); 7] = [
        (
            || {
                aemp::message::to_values(&(Some(()),))?;
                Ok(())
            },
            "element 0 cannot be serialised",
        ),
        (
            || {
                aemp::notation::parse("[1,")?;
                Ok(())
            },
            "column 4",
        ),
        (
            || {
                let _: u8 = aemp::Integer::from(300).try_into()?;
                Ok(())
            },
            "300",
        ),
        (
            || {
                ConfigFile::from_path(env::temp_dir()).read()?;
                Ok(())
            },
            "cannot read the configuration file ",
        ),
        (
            || {
                aemp::handshake::Secret::from_text("short", 16)?;
                Ok(())
            },
            "secret",
        ),
        (
            || {
                "a b".parse::<aemp::PortId>()?;
                Ok(())
            },
            "no node ID",
        ),
        (
            || {
                let seven: Result<u8, _> = "seven".parse();
                seven.map(drop).map_err(aemp::Error::other)
            },
            "invalid digit",
        ),
    ];
    for (fails, expected) in tries {
        let error = fails().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(format!("{error:?}").starts_with(&error.to_string()));
    }
}
