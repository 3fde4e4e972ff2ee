//! Names of JSON members as lenient readers compare them: without regard to case, of all letters that Unicode folds to those of ASCII.

/// Whether a reader that folds case takes `name` for `member`, which is ASCII.
pub(crate) fn folds_to(name: &str, member: &str) -> bool {
    let fold = |character: char| match character {
        // LATIN SMALL LETTER LONG S and KELVIN SIGN: all that Unicode's simple folding maps into ASCII.
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        character => character.to_ascii_lowercase(),
    };
    name.chars().map(fold).eq(member.chars().map(|character| character.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_folded_as_unicode_does() {
        for name in ["skill", "SKILL", "\u{17f}kill", "s\u{212a}ill"] {
            assert!(folds_to(name, "skill"), "{name}");
            assert!(folds_to(name, "SkilL"), "{name}");
        }
        for name in ["skil", "skills", "", "sk\u{131}ll"] {
            assert!(!folds_to(name, "skill"), "{name}");
        }
    }
}
