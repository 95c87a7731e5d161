//! Whether the properties of a message can be read, found out without making anything of them. Pure.
//!
//! `lapin` reads headers with a function that calls itself for each table and each array in them, as
//! deep as whoever has sent the message likes, and a stack that is used up ends the whole process. It
//! also ends the connection over a text that is none, and the broker sends the same message again. So
//! it is shown only what this has gone through before.
//!
//! # Promises
//!
//! 1. What is good here can be read by `lapin`, and calls for no more levels than the limit says.
//! 2. Neither the stack nor the memory that is used here depends on what is looked at, the list of
//!    levels excepted, which is as long as the limit at the most.
//!
//! # Deliberately absent
//!
//! Values: nothing is kept.

use hearth_types::limits;

/// Why a message cannot be handed to a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// Its headers have more levels than can be read.
    #[error("its headers are nested in more than {} levels", limits::RABBIT_HEADER_LEVELS_MAX)]
    Deep,
    /// Its properties are not what AMQP says.
    #[error("its properties are not those of AMQP 0-9-1")]
    Malformed,
    /// It is larger than what a function takes, or its properties are larger than a frame.
    #[error("it is larger than what a function takes")]
    Large,
}

/// What a property has.
#[derive(Debug, Clone, Copy)]
enum Property {
    Text,
    Table,
    Octet,
    Moment,
}

/// Those of a message, in the order of their flags, of which the highest bit is the first.
const PROPERTIES: [Property; 14] = {
    use Property::{Moment, Octet, Table, Text};
    [Text, Text, Table, Octet, Octet, Text, Text, Text, Text, Moment, Text, Text, Text, Text]
};

/// Good if these are the flags and the properties of a message, and nothing behind them.
pub(super) fn check(properties: &[u8]) -> Result<(), Unfit> {
    let mut rest = Rest(properties);
    let flags = u16::from_be_bytes(rest.array()?);
    for (number, property) in PROPERTIES.iter().enumerate() {
        if flags & (0x8000 >> number) == 0 {
            continue;
        }
        match property {
            Property::Text => rest.text()?,
            Property::Table => rest.table()?,
            Property::Octet => rest.skip(1)?,
            Property::Moment => rest.skip(8)?,
        }
    }
    if rest.0.is_empty() { Ok(()) } else { Err(Unfit::Malformed) }
}

/// Good if there is a table at the beginning, whatever is behind it.
pub(super) fn check_table(bytes: &[u8]) -> Result<(), Unfit> {
    Rest(bytes).table()
}

/// A table or an array that is being looked at.
struct Level<'a> {
    kind: Kind,
    rest: Rest<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Names and values.
    Table,
    /// Values.
    Array,
}

/// What has not been looked at.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Unfit> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Unfit::Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], Unfit> {
        let (bytes, rest) = self.0.split_first_chunk::<COUNT>().ok_or(Unfit::Malformed)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn skip(&mut self, count: usize) -> Result<(), Unfit> {
        self.bytes(count).map(drop)
    }

    /// What has its length before it, in four bytes.
    fn long(&mut self) -> Result<&'a [u8], Unfit> {
        let length = u32::from_be_bytes(self.array()?);
        self.bytes(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// A text that has its length before it, in one byte. `lapin` wants it to be one.
    fn text(&mut self) -> Result<(), Unfit> {
        let [length] = self.array()?;
        let text = self.bytes(usize::from(length))?;
        if std::str::from_utf8(text).is_ok() { Ok(()) } else { Err(Unfit::Malformed) }
    }

    fn table(&mut self) -> Result<(), Unfit> {
        let mut open = vec![Level { kind: Kind::Table, rest: Rest(self.long()?) }];
        while let Some(level) = open.last_mut() {
            if level.rest.0.is_empty() {
                open.pop();
                continue;
            }
            if level.kind == Kind::Table {
                level.rest.text()?;
            }
            let Some(below) = level.rest.value()? else { continue };
            if open.len() == limits::RABBIT_HEADER_LEVELS_MAX {
                return Err(Unfit::Deep);
            }
            open.push(below);
        }
        Ok(())
    }

    /// Passes a value, and gives what it has in it if it is a table or an array. The letters are those
    /// that `lapin` knows, and mean what they mean to it.
    fn value(&mut self) -> Result<Option<Level<'a>>, Unfit> {
        let [kind] = self.array()?;
        match kind {
            b'V' => {}
            b't' | b'b' | b'B' => self.skip(1)?,
            b's' | b'U' | b'u' => self.skip(2)?,
            b'I' | b'i' | b'f' => self.skip(4)?,
            b'D' => self.skip(5)?,
            b'L' | b'l' | b'd' | b'T' => self.skip(8)?,
            b'S' | b'x' => self.long().map(drop)?,
            b'A' => return Ok(Some(Level { kind: Kind::Array, rest: Rest(self.long()?) })),
            b'F' => return Ok(Some(Level { kind: Kind::Table, rest: Rest(self.long()?) })),
            _ => return Err(Unfit::Malformed),
        }
        Ok(None)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What has its length before it.
    fn long(inside: &[u8]) -> Vec<u8> {
        let length = u32::try_from(inside.len()).unwrap();
        [&length.to_be_bytes()[..], inside].concat()
    }

    /// Properties with headers alone.
    pub(in crate::rabbit) fn with_headers(inside: &[u8]) -> Vec<u8> {
        [&[0x20_u8, 0][..], &long(inside)].concat()
    }

    /// A header with so many arrays in each other.
    pub(in crate::rabbit) fn nested(arrays: usize) -> Vec<u8> {
        // From the inside, and in one go: each array would be copied by all around it.
        let mut header = b"\x01h".to_vec();
        for below in (0..arrays).rev() {
            header.push(b'A');
            header.extend(u32::try_from(below * 5).unwrap().to_be_bytes());
        }
        header
    }

    #[test]
    fn headers_are_good_up_to_the_limit() {
        // The table of the headers is a level as well.
        let most = limits::RABBIT_HEADER_LEVELS_MAX - 1;
        #[rustfmt::skip]
        let rows = [
            (1,        Ok(())),
            (most,     Ok(())),
            (most + 1, Err(Unfit::Deep)),
            (20_000,   Err(Unfit::Deep)),
        ];
        for (arrays, expected) in rows {
            assert_eq!(check(&with_headers(&nested(arrays))), expected, "{arrays}");
        }
    }

    #[test]
    fn tables_count_as_arrays_do() {
        let mut inside = Vec::new();
        for _level in 0..limits::RABBIT_HEADER_LEVELS_MAX {
            inside = [b"\x01hF".as_slice(), &long(&inside)].concat();
        }
        assert_eq!(check(&with_headers(&inside)), Err(Unfit::Deep));
        assert_eq!(check_table(&long(&inside)), Err(Unfit::Deep));
    }

    #[test]
    fn what_stands_beside_each_other_is_not_deep() {
        let beside = b"\x01hA\0\0\0\0".repeat(1_000);
        assert_eq!(check(&with_headers(&beside)), Ok(()));
    }

    #[test]
    fn properties_are_what_amqp_says() {
        let all = {
            let mut all = vec![0xff, 0xfc];
            all.extend(b"\x04text\x04gzip");
            all.extend(long(
                b"\x01at\x01\x01bb\x01\x01cB\x01\x01ds\0\x01\x01eI\0\0\0\x01\x01fl\0\0\0\0\0\0\0\x01\
                  \x01gd\0\0\0\0\0\0\0\0\x01hD\x01\0\0\0\x01\x01iS\0\0\0\x02\xff\xfe\x01jT\0\0\0\0\0\0\0\x01\
                  \x01kx\0\0\0\x01\0\x01lV\x01mF\0\0\0\x03\x01nV",
            ));
            all.extend(b"\x02\x09\x01c\x01r\x0210\x01m\0\0\0\0\0\0\0\x01\x01t\x01u\x01a\x01c");
            all
        };
        #[rustfmt::skip]
        let rows: [(&[u8], Result<(), Unfit>); 9] = [
            (&[0, 0],                          Ok(())),
            (&all,                             Ok(())),
            (&all[..all.len() - 1],            Err(Unfit::Malformed)),
            (&[0],                             Err(Unfit::Malformed)),
            (&[0, 0, 0],                       Err(Unfit::Malformed)),
            (&[0x80, 0, 2, 0xff, 0xfe],        Err(Unfit::Malformed)),
            (&with_headers(b"\x01\xffV"),      Err(Unfit::Malformed)),
            (&with_headers(b"\x01h?"),         Err(Unfit::Malformed)),
            (&with_headers(b"\x01hA\0\0\0\x09"), Err(Unfit::Malformed)),
        ];
        for (properties, expected) in rows {
            assert_eq!(check(properties), expected, "{properties:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_told_of_and_nothing_panics(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = check(&bytes);
            let _ = check(&with_headers(&bytes));
            let _ = check_table(&bytes);
        }

        #[test]
        fn only_the_depth_decides_on_arrays(arrays in 1..200_usize) {
            let good = check(&with_headers(&nested(arrays))).is_ok();
            prop_assert_eq!(good, arrays < limits::RABBIT_HEADER_LEVELS_MAX);
        }
    }
}
