//! `nearest`: finds the known name that is most similar to a mistyped one.

/// The name in `names` that is most similar to `word`. A name is similar if at most a third of the letters differ (at
/// least two for words of four or more letters), or if `word` is a prefix of that name only. `None` if no name is
/// similar.
///
/// ```
/// use aemp::nearest;
/// assert_eq!(nearest("sede", ["seeds", "secret"]), Some("seeds"));
/// assert_eq!(nearest("monitor", ["monitor_timeout", "binds"]), Some("monitor_timeout"));
/// assert_eq!(nearest("color", ["seeds", "secret"]), None);
/// ```
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let names: Vec<&str> = names.into_iter().collect();
    let word: Vec<char> = word.chars().take(64).collect();
    let near_enough = match word.len() {
        0 => 0,
        1..=3 => 1,
        longer => (longer / 3).max(2),
    };
    let scored = names.iter().map(|name| (distance(&word, name), *name));
    let near = scored
        .filter(|(steps, _)| *steps <= near_enough)
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, name)| name);
    near.or_else(|| {
        let start: String = word.iter().collect();
        let mut begun = names.iter().filter(|name| name.starts_with(&start));
        match (word.len() >= 2, begun.next(), begun.next()) {
            (true, Some(name), None) => Some(*name),
            _ => None,
        }
    })
}

/// The edit distance (Damerau-Levenshtein): insertions, deletions, replacements and swaps of adjacent letters.
fn distance(word: &[char], name: &str) -> usize {
    let name: Vec<char> = name.chars().collect();
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=name.len()).collect();
    for (i, a) in word.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in name.iter().enumerate() {
            let mut steps = (last[j] + usize::from(a != b))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *a == name[j - 1] && word[i - 1] == *b {
                steps = steps.min(before_last[j - 1] + 1);
            }
            row.push(steps);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}
