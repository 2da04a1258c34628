//! The canonical form of a command (RFC 8785), which is what its signature covers: no spaces, names in the order of their UTF-16.

use serde_json::{Map, Value};

/// Beyond it, not every whole number is a JSON number that all programs read alike.
const LARGEST_INTEGER: u64 = (1 << 53) - 1;

/// # Errors
/// A text naming the field whose number has a fraction, or is too large: such a number belongs into a string.
pub fn canonical(fields: &Map<String, Value>) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(1024);
    write_object(fields, &mut out)?;
    Ok(out)
}

fn write_object(fields: &Map<String, Value>, out: &mut Vec<u8>) -> Result<(), String> {
    let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
    sorted.sort_unstable_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
    out.push(b'{');
    for (place, (name, value)) in sorted.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_text(name, out)?;
        out.push(b':');
        write_value(name, value, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_value(name: &str, value: &Value, out: &mut Vec<u8>) -> Result<(), String> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            if magnitude.is_none_or(|magnitude| magnitude > LARGEST_INTEGER) {
                return Err(format!("{name} must be a decimal string: a JSON number loses digits"));
            }
            out.extend_from_slice(number.to_string().as_bytes());
        }
        Value::String(text) => write_text(text, out)?,
        Value::Array(values) => {
            out.push(b'[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write_value(name, value, out)?;
            }
            out.push(b']');
        }
        Value::Object(fields) => write_object(fields, out)?,
    }
    Ok(())
}

/// serde_json escapes what RFC 8785 wants escaped, and in the same form.
fn write_text(text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    serde_json::to_writer(out, text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(json: &str) -> Result<String, String> {
        let fields = serde_json::from_str(json).unwrap();
        canonical(&fields).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn the_examples_of_rfc_8785_come_out_as_it_has_them() {
        // Section 3.2.3: U+1F600 sorts before U+FB33, because UTF-16 is compared, not code points.
        let sorted = form(
            r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
            "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#,
        );
        let values = ["Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign"];
        let values = values.iter().chain(&["Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh"]);
        let sorted = sorted.unwrap();
        let places: Vec<usize> = values.map(|value| sorted.find(value).unwrap()).collect();
        assert!(places.is_sorted(), "{sorted}");
        // Section 3.2.2.
        let text = r#"{"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null, true, false]}"#;
        let wanted = "{\"literals\":[null,true,false],\"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(form(text).unwrap(), wanted);
    }

    #[test]
    fn whole_numbers_pass_and_others_are_named() {
        assert_eq!(form(r#"{"b": -7, "a": 9007199254740991}"#).unwrap(), r#"{"a":9007199254740991,"b":-7}"#);
        for number in ["0.1", "1e2", "-0", "9007199254740992", "-9007199254740992", "18446744073709551615", "1e400"] {
            let Ok(fields) = serde_json::from_str(&format!(r#"{{"x": {{"price": {number}}}}}"#)) else { continue };
            let error = canonical(&fields).unwrap_err();
            assert!(error.starts_with("price must be a decimal string"), "{number}: {error}");
        }
    }
}
