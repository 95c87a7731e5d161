//! Who calls: the account and the region of a request.
//!
//! Authentication is off in this version: nothing is proved. As local tools expect, an access key
//! of twelve digits names the account, and the scope of the signature names the region.

use hearth_types::names::{AccountId, Region, Scope};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

/// Reads the caller's account and region, or takes the server's own.
pub(crate) fn scope(headers: &HeaderMap, own: &Scope) -> Scope {
    let Some((key, region)) =
        headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok()).and_then(credential)
    else {
        return own.clone();
    };
    Scope {
        account: AccountId::parse(key).unwrap_or_else(|_| own.account.clone()),
        region: Region::parse(region).unwrap_or_else(|_| own.region.clone()),
    }
}

/// `AWS4-HMAC-SHA256 Credential=KEY/20261123/us-east-1/lambda/aws4_request, …`
fn credential(header: &str) -> Option<(&str, &str)> {
    let (_, rest) = header.split_once("Credential=")?;
    let mut parts = rest.split('/');
    let (key, _date, region) = (parts.next()?, parts.next()?, parts.next()?);
    Some((key, region))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_names_the_account_and_the_scope_names_the_region() {
        let own = Scope {
            account: AccountId::parse("000000000000").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        #[rustfmt::skip]
        let rows = [
            ("",                                                                         "000000000000", "us-east-1"),
            ("Bearer x",                                                                 "000000000000", "us-east-1"),
            ("AWS4-HMAC-SHA256 Credential=test/20261123/eu-west-1/lambda/aws4_request",  "000000000000", "eu-west-1"),
            ("AWS4-HMAC-SHA256 Credential=123456789012/20261123/us-east-1/lambda/x, S=", "123456789012", "us-east-1"),
            ("AWS4-HMAC-SHA256 Credential=test/20261123/../../etc/lambda",               "000000000000", "us-east-1"),
        ];
        for (header, account, region) in rows {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, header.parse().unwrap());
            let got = scope(&headers, &own);
            assert_eq!((got.account.as_str(), got.region.as_str()), (account, region), "{header}");
        }
    }
}
