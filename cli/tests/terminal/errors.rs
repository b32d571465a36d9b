//! Errors.

use crate::common::{Home, Terminal};

#[test]
#[ignore = "needs tmux"]
fn an_error_is_coloured_where_that_is_wanted() {
    let home = Home::new();
    let error = |name: &str, value: &str| {
        let mut command = home.command(&["frobnicate"]);
        command.env(name, value);
        let terminal = Terminal::run(&home, &command, (80, 24));
        assert_eq!(terminal.ended(), 2);
        terminal.shows("error: there is no command \"frobnicate\"");
        terminal.colours()
    };
    assert!(error("NO_COLOR", "").starts_with('\x1b'));
    assert!(error("NO_COLOR", "1").starts_with("error: "));
    assert!(error("TERM", "dumb").starts_with("error: "));
}
