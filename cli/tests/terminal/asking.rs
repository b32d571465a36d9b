//! What is asked before something is lost.

use crate::common::{Home, Terminal};

#[test]
#[ignore = "needs tmux"]
fn a_secret_is_replaced_only_after_a_yes() {
    let home = Home::new();
    home.aemp(&["gensecret", "profile", "seed", "nodeid", "seed"])
        .succeeds_in_silence();
    let before = home.read("config");
    let ask = || {
        let terminal = Terminal::run(&home, &home.command(&["gensecret"]), (160, 24));
        terminal.shows(
            "there is a secret already in the file's global keys, and nodes that keep it and nodes with another refuse each other; \
             replace it? [y/N]",
        );
        terminal
    };
    let terminal = ask();
    terminal.press(&["Enter"]);
    terminal.shows("error: the secret is left as it is\n");
    assert_eq!(terminal.ended(), 1);
    assert_eq!(home.read("config"), before);

    let terminal = ask();
    terminal.enter("y");
    terminal.shows("hint: the secret is new for the profile seed\n");
    assert_eq!(terminal.ended(), 0);
    assert_ne!(home.file()["secret"].as_str(), None);
    assert_ne!(home.read("config"), before);
}
