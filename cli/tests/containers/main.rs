//! What is under `deploy/`, run without an engine: the nodes of compose.yaml and the pods of kubernetes.yaml, with the configurations
//! that docs/deploying.md makes. As root, with `cargo test -p aemp-cli --test containers -- --ignored`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod lab;
#[path = "../../../tests/namespaces/netns.rs"]
#[allow(dead_code, reason = "what runs on these hosts is the command")]
mod netns;

use std::path::Path;

use common::deployment::{configuration, of_kind, words, yaml};
use common::lines;
use lab::{Container, Lab};

/// What a container may do: nothing that its user may not, and less.
fn is_confined(container: &Container, user: &str) {
    assert_eq!(container.status("Uid"), [user; 4].join(" "));
    assert_eq!(container.status("NoNewPrivs"), "1");
    for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
        assert_eq!(container.status(set), "0000000000000000", "{set}");
    }
    // The first process of its own, as of an image without a shell.
    assert!(container.status("NSpid").ends_with(" 1"));
}

/// The lines that the echo services of these nodes make of their family.
fn echoes(nodes: &[&str]) -> String {
    nodes
        .iter()
        .map(|node| format!("{node}#echo  null\n"))
        .collect()
}

#[test]
#[ignore = "needs root and namespaces"]
fn the_nodes_of_compose_find_each_other_and_are_healthy() {
    let mut lab = Lab::new();
    let path = configuration(lab.home(), "Compose");
    let (path, place) = (Path::new(&path), "/run/secrets/aemp");
    // As the owner of the file has made it.
    lab.own(path, (1000, 1000), 0o600);
    let file = yaml("compose.yaml").remove(0);
    let services = file["services"].as_hash().unwrap();
    let names: Vec<&str> = services.keys().map(|name| name.as_str().unwrap()).collect();
    let address = |number: usize| format!("10.81.0.{}", 11 + number);
    for (number, name) in names.iter().enumerate() {
        lab.add_host(name, &address(number));
    }
    let table: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(number, name)| (address(number), *name))
        .collect();
    lab.set_names(&table);
    let started = services.iter().map(|(name, service)| {
        lab.start(
            name.as_str().unwrap(),
            "1000:1000",
            (path, place),
            &words(&service["command"]),
        )
    });
    let containers: Vec<Container> = started.collect();
    for (container, (at, name)) in containers.iter().zip(&table) {
        assert_eq!(container.ready(), format!("ready {name} {at}:4040"));
        is_confined(container, "1000");
        let seeds = match *name {
            "seed" => String::from("it is one itself"),
            _ => String::from("connected to seed at seed:4040"),
        };
        let lines = lab.probe(at, 8080, "/ready", &seeds);
        assert_eq!(
            lines,
            format!("ok     listening: {at}:4040\nok     seeds: {seeds}\n")
        );
        let check = words(&file["services"][*name]["healthcheck"]["test"]);
        let check: Vec<&str> = check[2..].iter().map(String::as_str).collect();
        let done = lab.exec(container, &check);
        assert!(done.status.success(), "{done:?}");
    }
    let mut all = names.clone();
    all.sort();
    for container in &containers {
        lab.exec_until(container, &["directory", "aemp_echo"], &echoes(&all));
    }
    lab.exec_until(
        &containers[2],
        &["cal", "worker#echo", "hello"],
        "\"hello\"\n",
    );
    // Nothing can be written there.
    let done = lab.exec(&containers[0], &["nodeid", "x"]);
    assert_eq!(done.status.code(), Some(3), "{done:?}");
    for container in containers {
        assert_eq!(container.stop(), Some(0));
    }
}

#[test]
#[ignore = "needs root and namespaces"]
fn the_pods_of_kubernetes_get_ready_in_order_and_one_that_is_killed_comes_back_elsewhere() {
    let mut lab = Lab::new();
    let path = configuration(lab.home(), "Kubernetes");
    let path = Path::new(&path);
    let documents = yaml("kubernetes.yaml");
    let set = of_kind(&documents, "StatefulSet");
    let pod = &set["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let user = pod["securityContext"]["runAsUser"]
        .as_i64()
        .unwrap()
        .to_string();
    let owner = format!("{user}:{user}");
    // As the secret is mounted.
    let group = pod["securityContext"]["fsGroup"].as_i64().unwrap() as u32;
    let mode = pod["volumes"][0]["secret"]["defaultMode"].as_i64().unwrap() as u32;
    lab.own(path, (0, group), mode);
    let mount = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    let place = format!("{mount}/aemp.json");
    let probe = container["readinessProbe"]["httpGet"]["path"]
        .as_str()
        .unwrap();

    let args = words(&container["args"]);
    let start = |lab: &Lab, host: &str, pod: &str| {
        let args: Vec<String> = args
            .iter()
            .map(|word| word.replace("$(POD_NAME)", pod))
            .collect();
        lab.start(host, &owner, (path, &place), &args)
    };
    // The service publishes pods that are not ready, so each finds itself. The next starts when the one before is ready.
    let mut table = Vec::new();
    let mut pods = Vec::new();
    for number in 0..3 {
        let (name, address) = (format!("aemp-{number}"), format!("10.81.0.{}", 11 + number));
        lab.add_host(&name, &address);
        table.push((address.clone(), "aemp"));
        if number == 0 {
            table.push((address.clone(), "aemp-0.aemp"));
        }
        lab.set_names(&table);
        let pod = start(&lab, &name, &name);
        let expected = match number {
            0 => "it is one itself",
            _ => "connected to aemp-",
        };
        lab.probe(&address, 8080, probe, &format!("ok     seeds: {expected}"));
        assert_eq!(pod.ready(), format!("ready {name} {address}:4040"));
        is_confined(&pod, &user);
        pods.push(pod);
    }
    let all = ["aemp-0", "aemp-1", "aemp-2"];
    for pod in &pods {
        lab.exec_until(pod, &["directory", "aemp_echo"], &echoes(&all));
    }

    // The first is killed: the others lose their seed by that name, have each other, and stay live.
    pods.remove(0).kill();
    lab.exec_until(&pods[0], &["directory", "aemp_echo"], &echoes(&all[1..]));
    for at in ["10.81.0.12", "10.81.0.13"] {
        lab.probe(at, 8080, "/live", "ok     node: ");
        lab.probe(at, 8080, probe, "ok     seeds: connected to aemp-");
    }
    // It returns on another host, under its own name, and finds the others.
    lab.add_host("other", "10.81.0.14");
    let table: Vec<_> = [
        ("10.81.0.14", "aemp-0.aemp"),
        ("10.81.0.14", "aemp"),
        ("10.81.0.12", "aemp"),
        ("10.81.0.13", "aemp"),
    ]
    .map(|(address, name)| (address.to_owned(), name))
    .into();
    lab.set_names(&table);
    let back = start(&lab, "other", "aemp-0");
    // Of the addresses under the name of all, its own comes first.
    let connected = "ok     seeds: connected to aemp-";
    let ready = lab.probe("10.81.0.14", 8080, probe, connected);
    assert!(
        ready.contains("ok     listening: 10.81.0.14:4040\n"),
        "{ready}"
    );
    for pod in pods.iter().chain([&back]) {
        lab.exec_until(pod, &["directory", "aemp_echo"], &echoes(&all));
        lab.exec_until(pod, &["cal", "aemp-0#echo", "hello"], "\"hello\"\n");
    }
    for pod in pods.into_iter().chain([back]) {
        assert_eq!(pod.stop(), Some(0));
    }
}
