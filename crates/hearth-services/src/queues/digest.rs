//! The checksums of messages, as AWS computes them and its clients check them. No I/O.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};

use crate::delivery::{AttributeValue, MessageAttribute};

/// The MD5 of a body, in hexadecimal digits.
#[must_use]
pub fn md5_of_body(body: &[u8]) -> String {
    hexadecimal(&Md5::digest(body))
}

/// The MD5 of attributes, in hexadecimal digits: of their names, types and values in the order of
/// their names, each with its length before it. None if there are no attributes.
#[must_use]
pub fn md5_of_attributes(attributes: &BTreeMap<String, MessageAttribute>) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut md5 = Md5::new();
    for (name, attribute) in attributes {
        push(&mut md5, name.as_bytes());
        push(&mut md5, attribute.data_type.as_bytes());
        match &attribute.value {
            AttributeValue::Text(text) => {
                md5.update([1_u8]);
                push(&mut md5, text.as_bytes());
            }
            AttributeValue::Binary(bytes) => {
                md5.update([2_u8]);
                push(&mut md5, bytes);
            }
        }
    }
    Some(hexadecimal(&md5.finalize()))
}

fn push(md5: &mut Md5, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a message has at most a megabyte");
    md5.update(length.to_be_bytes());
    md5.update(bytes);
}

/// Bytes in hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(data_type: &str, value: &str) -> MessageAttribute {
        let value = AttributeValue::Text(value.to_owned());
        MessageAttribute { data_type: data_type.to_owned(), value }
    }

    /// What the service has answered.
    #[test]
    fn checksums_are_those_of_the_service() {
        assert_eq!(md5_of_body(b"Test Message"), "d1d4180b7e411c4be86b00fb2ee103eb");
        let binary = MessageAttribute {
            data_type: "Binary".to_owned(),
            value: AttributeValue::Binary(
                b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01".to_vec(),
            ),
        };
        let all = [
            ("General", text("String", "Kenobi")),
            ("Hello", text("String", "There")),
            ("Help.Me", text("String", "Me")),
        ];
        #[rustfmt::skip]
        let rows = [
            (vec![],                                                              None),
            (vec![("Foo", text("String", "Bar"))],                                Some("ae7155c6026991b6d54b11589678bf9c")),
            (vec![("Hello", text("String", "World"))],                            Some("7db7fb1ba7f41366a8ea5eb18220b26d")),
            (vec![("AWSTraceHeader", text("String", "some-trace-id"))],           Some("fdce4f2818803f2f73becc09a54792c0")),
            (vec![("UserId", text("Number.bigint", "1234567890123456789012"))],   Some("797ab158d73dcb5242dedc4412c8e855")),
            (vec![("attr1", binary)],                                             Some("8cbe4db156db8a94db8b801b7addb984")),
            (all.to_vec(),                                                        Some("4c360f3fdafd970e05fae2f149d997f5")),
            (all[..2].to_vec(),                                                   Some("fca026605781cb4126a1e9044df24232")),
        ];
        for (attributes, expected) in rows {
            let attributes: BTreeMap<String, MessageAttribute> = attributes
                .into_iter()
                .map(|(name, attribute)| (name.to_owned(), attribute))
                .collect();
            assert_eq!(md5_of_attributes(&attributes).as_deref(), expected, "{attributes:?}");
        }
    }
}
