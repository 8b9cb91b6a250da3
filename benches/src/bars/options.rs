//! The arguments of the command.

use std::path::PathBuf;

/// What to run and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Only bars with one of these in their names; all if there is none.
    pub filters: Vec<String>,
    /// One short pair on small data, to see that everything runs.
    pub test: bool,
    /// A failed bar fails the command.
    pub strict: bool,
    /// Only the names.
    pub list: bool,
    /// Where to write a table.
    pub record: Option<PathBuf>,
    /// The arguments as given.
    pub arguments: Vec<String>,
}

impl Options {
    /// Reads arguments.
    ///
    /// # Errors
    ///
    /// A message if an argument is not known or lacks its value.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        // Cargo adds `--bench` to what it runs.
        let arguments: Vec<_> = arguments.into_iter().filter(|argument| argument != "--bench").collect();
        let mut options = Self { arguments: arguments.clone(), ..Self::default() };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--test" => options.test = true,
                "--strict" => options.strict = true,
                "--list" => options.list = true,
                "--record" => {
                    let file = rest.next().ok_or("`--record` needs a file")?;
                    options.record = Some(file.into());
                }
                other if other.starts_with('-') => return Err(format!("`{other}` is not known")),
                other => options.filters.push(other.to_owned()),
            }
        }
        Ok(options)
    }

    /// Whether a bar is asked for.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Options, String> {
        Options::read(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_are_read() {
        let options = read("v4 --record out.md --strict --bench small").unwrap();
        assert_eq!(options.filters, ["v4", "small"]);
        assert_eq!(options.record, Some("out.md".into()));
        assert!(options.strict && !options.test);
        assert!(options.wants("a/v4/b") && options.wants("small/2") && !options.wants("v6"));
        assert!(read("--test").unwrap().wants("anything"));
    }

    #[test]
    fn unknown_arguments_are_refused() {
        assert!(read("--recrod x").is_err());
        assert!(read("--record").is_err());
    }
}
