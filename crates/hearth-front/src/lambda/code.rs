//! Where the code of functions and layers comes from, and where it can be downloaded.

use hearth_control::changes::Source;
use hearth_services::objects::ObjectAddress;
use hearth_store::packages::CodeDigest;
use hearth_types::limits;
use hearth_wire::blob::Blob;

use super::Call;
use crate::error::AwsError;

/// The code that a request brings, in whichever way.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) zip: Option<Blob>,
    pub(super) bucket: Option<String>,
    pub(super) key: Option<String>,
    pub(super) object_version: Option<String>,
    pub(super) image: Option<String>,
}

/// Gets it.
pub(super) async fn source(call: &Call, given: Given) -> Result<Source, AwsError> {
    let Given { zip, bucket, key, object_version, image } = given;
    match (zip, bucket, key, image) {
        (Some(zip), None, None, None) => Ok(Source::Zip(uploaded(zip)?)),
        (None, Some(bucket), Some(key), None) => {
            fetch(call, bucket, key, object_version).await.map(Source::Zip)
        }
        (None, None, None, Some(image)) => Ok(Source::Image(image)),
        (None, Some(_), None, None) | (None, None, Some(_), None) => {
            Err(AwsError::invalid_parameter("S3Bucket and S3Key must be given together."))
        }
        (None, None, None, None) => {
            Err(AwsError::invalid_parameter("Please provide a source for function code."))
        }
        _several => Err(AwsError::invalid_parameter(
            "Please do not provide other FunctionCode parameters when providing a ZipFile.",
        )),
    }
}

/// An archive that came with the request, which may be smaller only than one from S3.
pub(super) fn uploaded(zip: Blob) -> Result<Vec<u8>, AwsError> {
    if zip.0.len() > limits::ZIP_BYTES_MAX {
        return Err(AwsError::zip_too_large(limits::ZIP_BYTES_MAX));
    }
    Ok(zip.0)
}

/// An archive from a bucket: one of Hearth's own, or of the S3 that the server was told of.
pub(super) async fn fetch(
    call: &Call,
    bucket: String,
    key: String,
    version: Option<String>,
) -> Result<Vec<u8>, AwsError> {
    let address = ObjectAddress { scope: call.scope.clone(), bucket, key, version };
    let fetched = call.front.objects.fetch(&address, limits::ARCHIVE_BYTES_MAX).await;
    fetched.map_err(|error| {
        AwsError::invalid_parameter(format!(
            "Error occurred while GetObject. S3 Error Code: {}. S3 Error Message: {}",
            error.code, error.message
        ))
    })
}

impl Call {
    /// Where an archive can be downloaded, from the host by which the client reached us.
    pub(super) fn location(&self, digest: &CodeDigest) -> String {
        let host = self.host.as_deref().unwrap_or("127.0.0.1:4566");
        format!("http://{host}{}packages/{digest}", crate::own::PREFIX)
    }
}
