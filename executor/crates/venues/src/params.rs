//! A request's parameters as `name=value&...`.

/// Parameters of one request, in the order in which they are sent.
#[derive(Clone, Default)]
pub struct Params(Vec<(&'static str, String)>);

impl Params {
    pub fn add(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.0.push((name, value.into()));
        self
    }

    /// Names and values, by name.
    pub fn sorted(mut self) -> Vec<(&'static str, String)> {
        self.0.sort_unstable_by_key(|(name, _)| *name);
        self.0
    }

    /// `name=value&...`, values percent-encoded.
    pub fn encoded(&self) -> String {
        let mut text = String::with_capacity(256);
        for (name, value) in &self.0 {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(name);
            text.push('=');
            percent_encode(value, &mut text);
        }
        text
    }
}

fn percent_encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
}
