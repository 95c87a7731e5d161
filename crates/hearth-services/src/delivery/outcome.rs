//! Deliveries for which nobody has said how long they are tried: to the destinations of functions,
//! and to dead-letter queues. Pure.
//!
//! # Promises
//!
//! Such a delivery is patient, and is not sent anywhere else when it is given up.
//!
//! # Deliberately absent
//!
//! What the receivers are told: whoever knows what became of an event writes that.

use std::fmt::Display;

use hearth_types::limits;
use hearth_types::names::FunctionArn;
use hearth_types::time::Timestamp;

use super::{Delivery, Origin, Parcel, Patience};

/// The delivery of a parcel that has not been tried yet, with the trace that it came from.
#[must_use]
pub fn delivery(origin: Origin, parcel: Parcel, trace: Option<String>) -> Delivery {
    Delivery {
        origin,
        parcel,
        patience: Patience {
            retries_max: limits::DESTINATION_RETRIES_MAX,
            age_ms_max: limits::DESTINATION_AGE_MS_MAX,
            http: None,
        },
        dead_letter: None,
        trace,
        attempts: 0,
    }
}

/// The name of a lane: a function's deliveries to one receiver wait for each other and for nobody
/// else.
#[must_use]
pub fn lane(function: &FunctionArn, receiver: &str) -> String {
    format!("{function} {receiver}")
}

/// The object that a bucket gets on behalf of a function.
///
/// AWS: its name says when, and has an id. `folder` is whose it is, below AWS's own.
#[must_use]
pub fn object(
    function: &FunctionArn,
    bucket_arn: &str,
    folder: &str,
    (at, id): (Timestamp, &impl Display),
) -> Parcel {
    let (date, time) = (at.date_path(), at.iso());
    // Up to the seconds, and in letters that any system of files takes.
    let second = time.split('.').next().unwrap_or_default().replace(':', ".");
    Parcel::Object {
        bucket: bucket_arn.rsplit(':').next().unwrap_or_default().to_owned(),
        key: format!("aws/lambda/{folder}/{date}/{second}-{id}"),
        region: function.scope.region.to_string(),
    }
}
