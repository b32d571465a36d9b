//! The files under `deploy/` agree with each other, with the command, and with the configurations that docs/deploying.md makes.

#![allow(clippy::unwrap_used)]

mod common;

use aemp::Value;
use common::deployment::{configuration, of_kind, path, text, words, yaml};
use common::running::free_port;
use common::{Ended, Home};
use yaml_rust2::Yaml;

/// The port of a `*:PORT` or `HOST:PORT`.
fn port(address: &Value) -> i64 {
    let (_, port) = address.as_str().unwrap().rsplit_once(':').unwrap();
    port.parse().unwrap()
}

/// What holds for a node that is started by `run` with these words, from the file at `path`.
fn shown(home: &Home, path: &str, run: &[String]) -> Value {
    assert_eq!(run[0], "run");
    let line: Vec<&str> = run[1..].iter().map(String::as_str).collect();
    let mut command = home.command(&[&["--json", "showconfig"], &line[..]].concat());
    let Ended { out, err, .. } = Home::ended(command.env("AEMP_RC", path)).succeeds();
    // No warning either.
    assert_eq!(err, "", "{run:?}");
    serde_json::from_str(&out).unwrap()
}

/// What the image is told by one instruction, behind its name.
fn instruction(name: &str) -> String {
    let file = text("Dockerfile");
    let begin = format!("{name} ");
    let lines: Vec<&str> = file
        .lines()
        .filter_map(|line| line.strip_prefix(&begin))
        .collect();
    lines.last().unwrap_or_else(|| panic!("{name}")).to_string()
}

#[test]
fn the_image_runs_the_command_alone_and_not_as_root() {
    assert_eq!(instruction("FROM"), "scratch");
    assert_eq!(instruction("ENTRYPOINT"), r#"["/aemp"]"#);
    assert!(instruction("COPY").ends_with(" /aemp"));
    assert!(instruction("USER").starts_with("65532:"));
    assert!(instruction("RUN").ends_with("--bin aemp"));
    // Where health is answered is up to the configuration, and so is a check.
    assert!(!text("Dockerfile").contains("HEALTHCHECK"));
    // The toolchain is at least the one that the crates need.
    let file = text("Dockerfile");
    let from = file
        .lines()
        .find_map(|line| line.strip_prefix("FROM rust:"))
        .unwrap();
    let version = format!("{}-", env!("CARGO_PKG_RUST_VERSION"));
    assert!(from.starts_with(&version), "{from}");
}

/// Whether a line of a list such as `.gitignore` leaves out every file of this name, in whatever folder: the only kinds of
/// pattern that count here are `NAME*` and `*NAME`.
fn leaves_out(line: &str, name: &str) -> bool {
    match (line.strip_prefix('*'), line.strip_suffix('*')) {
        (Some(end), None) => !end.contains(['/', '*']) && name.ends_with(end),
        (None, Some(begin)) => !begin.contains(['/', '*']) && name.starts_with(begin),
        _ => line == name,
    }
}

#[test]
fn nothing_with_a_secret_in_it_gets_into_the_history_or_the_image() {
    let of_git = std::fs::read_to_string(path(".gitignore")).unwrap();
    let of_image = text("Dockerfile.dockerignore");
    assert!(leaves_out(of_image.lines().nth(1).unwrap(), ".git"));
    // There a name alone is one at the top.
    let of_image: Vec<&str> = of_image
        .lines()
        .filter_map(|line| line.strip_prefix("**/"))
        .collect();
    for section in ["Compose", "Kubernetes"] {
        let home = Home::new();
        let made = configuration(&home, section);
        // One more change: the content before it, which is kept, has the secret.
        let mut command = home.command(&["gencert"]);
        Home::ended(command.env("AEMP_RC", &made)).succeeds();
        let left = std::fs::read_dir(home.path("")).unwrap();
        let names = left.map(|file| file.unwrap().file_name().into_string().unwrap());
        let names: Vec<String> = names.collect();
        assert!(
            names.iter().any(|name| name.ends_with(".json~")),
            "{names:?}"
        );
        for name in &names {
            assert!(of_git.lines().any(|line| leaves_out(line, name)), "{name}");
            assert!(of_image.iter().any(|line| leaves_out(line, name)), "{name}");
        }
    }
}

#[test]
fn the_nodes_of_compose_are_those_of_its_configuration() {
    let home = Home::new();
    let path = configuration(&home, "Compose");
    let file = yaml("compose.yaml").remove(0);
    let services = file["services"].as_hash().unwrap();
    let mut codecs = Vec::new();
    for (name, service) in services {
        let name = name.as_str().unwrap();
        let shown = shown(&home, &path, &words(&service["command"]));
        assert_eq!(shown["nodeid"], Value::from(name));
        codecs.push(shown["framing_format"].to_string());
        // They find each other by the name of a service, where it listens.
        let (seed, bind) = (&shown["seeds"][0], &shown["binds"][0]);
        let host = seed.as_str().unwrap().split(':').next().unwrap();
        assert!(services.contains_key(&Yaml::String(host.into())), "{host}");
        assert_eq!(port(seed), port(bind));
        let exposed = instruction("EXPOSE");
        assert_eq!(
            exposed,
            format!("{} {}", port(bind), port(&shown["health"]))
        );
        for (key, expected) in [
            ("read_only", "true"),
            ("image", "aemp"),
            ("stop_grace_period", "10s"),
        ] {
            let found = &service[key];
            let found = found
                .as_bool()
                .map_or_else(|| found.as_str().unwrap().into(), |flag| flag.to_string());
            assert_eq!(found, expected, "{key}");
        }
        assert_eq!(words(&service["cap_drop"]), ["ALL"]);
        assert_eq!(words(&service["security_opt"]), ["no-new-privileges:true"]);
        assert!(
            service["user"]
                .as_str()
                .unwrap()
                .starts_with("${AEMP_USER:?")
        );
        // The secret is where the image looks for the configuration.
        let [secret] = &words(&service["secrets"])[..] else {
            panic!("one secret")
        };
        let place = format!("AEMP_RC=/run/secrets/{secret} ");
        assert!(instruction("ENV").starts_with(&place), "{place}");
        let from = file["secrets"][secret.as_str()]["file"].as_str().unwrap();
        assert!(path.ends_with(from.trim_start_matches('.')), "{from}");
    }
    codecs.sort();
    let both = r#"["cbor", "json"]"#;
    assert_eq!(codecs, [both, both, r#"["json"]"#]);
    // What the health check asks knows the address without a profile. Where that is here is nobody's.
    let nobody = format!("*:{}", free_port());
    let ask = |line: &[&str]| {
        let mut command = home.command(line);
        Home::ended(command.env("AEMP_RC", &path))
    };
    ask(&["health", &nobody]).succeeds_in_silence();
    for service in services.values() {
        let check = words(&service["healthcheck"]["test"]);
        let check: Vec<&str> = check.iter().map(String::as_str).collect();
        let ["CMD", "/aemp", line @ ..] = &check[..] else {
            panic!("{check:?}")
        };
        assert_eq!(line, ["--live", "health"]);
        let error = ask(line).fails(4).err;
        let expected = format!("error: {nobody} does not say how the node is: ");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn the_pods_of_kubernetes_are_nodes_of_its_configuration() {
    let home = Home::new();
    let path = configuration(&home, "Kubernetes");
    let documents = yaml("kubernetes.yaml");
    let (service, set) = (
        of_kind(&documents, "Service"),
        of_kind(&documents, "StatefulSet"),
    );
    let pod = &set["spec"]["template"]["spec"];
    let container = &pod["containers"][0];

    // Each has its name as ID.
    let variable = container["env"].as_vec().unwrap();
    let of = |name: &str| {
        variable
            .iter()
            .find(|one| one["name"].as_str() == Some(name))
            .unwrap()
    };
    assert_eq!(
        of("POD_NAME")["valueFrom"]["fieldRef"]["fieldPath"].as_str(),
        Some("metadata.name")
    );
    let name = set["metadata"]["name"].as_str().unwrap();
    let first = format!("{name}-0");
    let run: Vec<String> = words(&container["args"]);
    let run: Vec<String> = run
        .iter()
        .map(|word| word.replace("$(POD_NAME)", &first))
        .collect();
    let shown = shown(&home, &path, &run);
    assert_eq!(shown["nodeid"], Value::from(&*first));

    // Seeds are the first pod and the headless service, at the port where all listen.
    let headless = service["metadata"]["name"].as_str().unwrap();
    assert_eq!(set["spec"]["serviceName"].as_str(), Some(headless));
    assert_eq!(service["spec"]["clusterIP"].as_str(), Some("None"));
    assert_eq!(
        service["spec"]["publishNotReadyAddresses"].as_bool(),
        Some(true)
    );
    assert_eq!(
        service["spec"]["selector"],
        set["spec"]["selector"]["matchLabels"]
    );
    assert_eq!(
        service["spec"]["selector"],
        set["spec"]["template"]["metadata"]["labels"]
    );
    let bound = port(&shown["binds"][0]);
    let seeds = [
        format!("{first}.{headless}:{bound}"),
        format!("{headless}:{bound}"),
    ];
    let expected: Value = seeds.map(Value::from).to_vec().into();
    assert_eq!(shown["seeds"], expected);
    let ports = container["ports"].as_vec().unwrap();
    let named = |name: &str| {
        ports
            .iter()
            .find(|port| port["name"].as_str() == Some(name))
            .unwrap()["containerPort"]
            .as_i64()
    };
    assert_eq!(named("aemp"), Some(bound));
    assert_eq!(service["spec"]["ports"][0]["port"].as_i64(), Some(bound));
    assert_eq!(
        service["spec"]["ports"][0]["targetPort"].as_str(),
        Some("aemp")
    );

    // Probes ask where health is answered, which the kubelet reaches.
    assert_eq!(named("health"), Some(port(&shown["health"])));
    assert!(shown["health"].as_str().unwrap().starts_with("*:"));
    for (probe, at) in [("readinessProbe", "/ready"), ("livenessProbe", "/live")] {
        let asked = &container[probe]["httpGet"];
        assert_eq!(
            (asked["path"].as_str(), asked["port"].as_str()),
            (Some(at), Some("health"))
        );
    }
    let scraped = &set["spec"]["template"]["metadata"]["annotations"];
    let number = named("health").unwrap().to_string();
    assert_eq!(scraped["prometheus.io/port"].as_str(), Some(&*number));
    assert_eq!(scraped["prometheus.io/path"].as_str(), Some("/metrics"));

    // The user of the image, who may read the secret by the group, and nothing else.
    let user = pod["securityContext"]["runAsUser"].as_i64().unwrap();
    let group = pod["securityContext"]["fsGroup"].as_i64().unwrap();
    assert_eq!(instruction("USER"), format!("{user}:{group}"));
    assert_eq!(pod["securityContext"]["runAsNonRoot"].as_bool(), Some(true));
    let allowed = &container["securityContext"];
    assert_eq!(allowed["readOnlyRootFilesystem"].as_bool(), Some(true));
    assert_eq!(allowed["allowPrivilegeEscalation"].as_bool(), Some(false));
    assert_eq!(words(&allowed["capabilities"]["drop"]), ["ALL"]);
    let volume = &pod["volumes"][0]["secret"];
    assert_eq!(volume["defaultMode"].as_i64(), Some(0o440));
    let mount = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    assert_eq!(
        of("AEMP_RC")["value"].as_str(),
        Some(&*format!("{mount}/aemp.json"))
    );
    let page = include_str!("../../docs/deploying.md");
    let made = format!(
        "kubectl create secret generic {} --from-file=aemp.json=",
        volume["secretName"].as_str().unwrap()
    );
    assert!(page.contains(&made), "{made}");
}

#[test]
fn the_unit_runs_the_profile_that_it_is_named_after() {
    let unit = text("aemp@.service");
    let line = |begin: &str| {
        let mut lines = unit.lines();
        lines
            .find_map(|line| line.strip_prefix(begin))
            .unwrap_or_else(|| panic!("{begin}"))
            .to_owned()
    };
    assert_eq!(line("ExecStart="), "/usr/local/bin/aemp run %i");
    let (name, file) = (line("LoadCredential="), line("Environment=AEMP_RC="));
    let (name, from) = name.split_once(':').unwrap();
    assert_eq!(
        (file.split(' ').next().unwrap(), from),
        (&*format!("%d/{name}"), "/etc/aemp.json")
    );
    assert_eq!(line("Type="), "notify");
    assert!(line("WatchdogSec=").parse::<u32>().is_ok());
    // Restarted where it ends with an error, and not where it is told to stop.
    assert_eq!(line("Restart="), "on-failure");
}

#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_reads_the_unit_without_a_complaint() {
    let home = Home::new();
    let unit = text("aemp@.service").replace("/usr/local/bin/aemp", env!("CARGO_BIN_EXE_aemp"));
    home.write("aemp@.service", &unit);
    let unit = home.path("aemp@seed.service");
    let checked = std::process::Command::new("systemd-analyze")
        .arg("verify")
        .arg(unit)
        .output();
    let checked = checked.expect("systemd-analyze is installed");
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    let of_unit = said.lines().filter(|line| line.contains("aemp@"));
    assert!(checked.status.success() && of_unit.count() == 0, "{said}");
}
