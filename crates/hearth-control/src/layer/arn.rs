//! The names of layers and of their versions.
//!
//! A layer is named by its name alone or by its ARN, a version by the ARN of the layer with a
//! number behind it.

use std::fmt;

use hearth_types::names::{AccountId, Region, Scope};

use crate::error::ControlError;
use crate::settings::refuse;

/// AWS: the longest name of a layer.
const NAME_BYTES_MAX: usize = 140;

/// Which layer: of any account, in any region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerArn {
    scope: Scope,
    name: String,
}

/// Which version of which layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerVersionArn {
    layer: LayerArn,
    number: u64,
}

impl LayerArn {
    /// The layer that a caller names, by its name alone or by its ARN.
    ///
    /// # Errors
    ///
    /// If the text is neither.
    pub fn named(text: &str, here: &Scope) -> Result<Self, ControlError> {
        if is_name(text) {
            return Ok(Self { scope: here.clone(), name: text.to_owned() });
        }
        match split(text) {
            Some((layer, None)) => Ok(layer),
            Some((_, Some(_))) | None => {
                refuse(format!("{text} is neither the name nor the ARN of a layer."))
            }
        }
    }

    /// The same, for what only the owner of a layer may do.
    ///
    /// # Errors
    ///
    /// If the layer is in another region or of another account.
    pub fn own(text: &str, here: &Scope) -> Result<Self, ControlError> {
        let layer = Self::named(text, here)?;
        layer.check_region(here)?;
        if layer.scope.account != here.account {
            return Err(ControlError::OtherAccount);
        }
        Ok(layer)
    }

    /// A version of it.
    ///
    /// # Errors
    ///
    /// If the number is not one.
    pub fn version(self, number: i64) -> Result<LayerVersionArn, ControlError> {
        match u64::try_from(number) {
            Ok(number) if number > 0 => Ok(LayerVersionArn { layer: self, number }),
            Ok(_) | Err(_) => refuse("Layer Version Cannot be less than 1."),
        }
    }

    /// Its name alone.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(super) fn check_region(&self, here: &Scope) -> Result<(), ControlError> {
        if self.scope.region == here.region { Ok(()) } else { Err(self.in_other_region(here)) }
    }

    pub(super) fn in_other_region(&self, here: &Scope) -> ControlError {
        let (asked, here) = (self.scope.region.clone(), here.region.clone());
        ControlError::OtherRegion { asked, here }
    }
}

impl fmt::Display for LayerArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scope { account, region } = &self.scope;
        write!(formatter, "arn:aws:lambda:{region}:{account}:layer:{}", self.name)
    }
}

impl LayerVersionArn {
    /// Reads the ARN of a version.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (layer, number) = split(text)?;
        let number = number?;
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse::<u64>().ok().filter(|number| digits && *number > 0)?;
        Some(Self { layer, number })
    }

    /// Of which layer it is a version.
    #[must_use]
    pub fn layer(&self) -> &LayerArn {
        &self.layer
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Display for LayerVersionArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.layer, self.number)
    }
}

fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(is_letter)
}

/// The ARN of a layer, and what stands behind it.
fn split(text: &str) -> Option<(LayerArn, Option<&str>)> {
    let parts: Vec<&str> = text.split(':').collect();
    let ["arn", partition, "lambda", region, account, "layer", name, rest @ ..] = parts.as_slice()
    else {
        return None;
    };
    let number = match rest {
        [] => None,
        [number] => Some(*number),
        _more => return None,
    };
    if !partition.starts_with("aws") || !is_name(name) {
        return None;
    }
    let account = AccountId::parse(account).ok()?;
    let scope = Scope { account, region: Region::parse(region).ok()? };
    Some((LayerArn { scope, name: (*name).to_owned() }, number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope(account: &str, region: &str) -> Scope {
        Scope {
            account: AccountId::parse(account).unwrap(),
            region: Region::parse(region).unwrap(),
        }
    }

    #[test]
    fn every_form_of_the_name_of_a_layer() {
        let here = scope("000000000000", "us-east-1");
        let (longest, too_long) = ("n".repeat(140), "n".repeat(141));
        #[rustfmt::skip]
        let rows = [
            ("tools",                                              Some("arn:aws:lambda:us-east-1:000000000000:layer:tools")),
            ("My_tools-2",                                         Some("arn:aws:lambda:us-east-1:000000000000:layer:My_tools-2")),
            ("arn:aws:lambda:eu-west-1:111111111111:layer:tools",  Some("arn:aws:lambda:eu-west-1:111111111111:layer:tools")),
            ("",                                                   None),
            ("tools:1",                                            None),
            ("my tools",                                           None),
            ("../tools",                                           None),
            ("arn:aws:lambda:eu-west-1:111111111111:layer:",       None),
            ("arn:aws:lambda:eu-west-1:111111111111:layer:t:1",    None),
            ("arn:aws:lambda:eu-west-1:1:layer:tools",             None),
            ("arn:aws:s3:eu-west-1:111111111111:layer:tools",      None),
            ("arn:aws:lambda:eu-west-1:111111111111:function:f",   None),
            ("arn:aws:lambda:::awslayer:AmazonLinux1803",          None),
        ];
        for (text, expected) in rows {
            let named = LayerArn::named(text, &here).ok().map(|layer| layer.to_string());
            assert_eq!(named.as_deref(), expected, "{text}");
        }
        assert!(LayerArn::named(&longest, &here).is_ok());
        assert!(LayerArn::named(&too_long, &here).is_err());
    }

    #[test]
    fn the_arn_of_a_version_has_a_number_from_1() {
        let layer = "arn:aws:lambda:us-east-1:000000000000:layer:tools";
        #[rustfmt::skip]
        let rows = [
            (":1",                    Some(1)),
            (":18446744073709551615", Some(u64::MAX)),
            (":007",                  Some(7)),
            ("",                      None),
            (":",                     None),
            (":0",                    None),
            (":-1",                   None),
            (":+1",                   None),
            (":1:1",                  None),
            (":latest",               None),
            (":18446744073709551616", None),
        ];
        for (behind, expected) in rows {
            let read = LayerVersionArn::parse(&format!("{layer}{behind}"));
            assert_eq!(read.as_ref().map(LayerVersionArn::number), expected, "{behind}");
            if let Some(read) = read {
                assert_eq!(read.to_string(), format!("{layer}:{}", read.number()));
            }
        }
    }

    #[test]
    fn a_number_is_refused_as_aws_refuses_it() {
        let here = scope("000000000000", "us-east-1");
        for (number, accepted) in [(i64::MIN, false), (-1, false), (0, false), (1, true)] {
            let layer = LayerArn::named("tools", &here).unwrap();
            let version = layer.version(number).map_err(|error| error.to_string());
            assert_eq!(version.is_ok(), accepted, "{number}");
            if let Err(refused) = version {
                assert_eq!(refused, "Layer Version Cannot be less than 1.");
            }
        }
    }

    #[test]
    fn only_the_layers_of_an_account_in_its_region_are_its_own() {
        let here = scope("000000000000", "us-east-1");
        let arn = |account, region| format!("arn:aws:lambda:{region}:{account}:layer:tools");
        assert!(LayerArn::own(&arn("000000000000", "us-east-1"), &here).is_ok());
        let elsewhere = LayerArn::own(&arn("000000000000", "eu-west-1"), &here).unwrap_err();
        let text = "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')";
        assert_eq!(elsewhere.to_string(), text);
        let theirs = LayerArn::own(&arn("111111111111", "us-east-1"), &here);
        assert!(matches!(theirs, Err(ControlError::OtherAccount)));
    }

    proptest! {
        #[test]
        fn an_arn_reads_back_as_itself(
            name in "[a-zA-Z0-9_-]{1,140}", account in "[0-9]{12}", number in 1u64..
        ) {
            let here = scope("000000000000", "us-east-1");
            let layer = LayerArn { scope: scope(&account, "eu-west-3"), name };
            prop_assert_eq!(&LayerArn::named(&layer.to_string(), &here).unwrap(), &layer);
            let version = LayerVersionArn { layer, number };
            prop_assert_eq!(LayerVersionArn::parse(&version.to_string()), Some(version));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _named = LayerArn::named(&text, &scope("000000000000", "us-east-1")).is_ok();
            let _parsed = LayerVersionArn::parse(&text).is_some();
        }
    }
}
