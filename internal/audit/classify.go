package audit

import "strings"

// reading are how the names of operations begin that change nothing.
var reading = []string{"Get", "List", "Describe", "Head", "Lookup", "Search", "Probe", "Simulate", "Decode", "Test", "Verify", "Page", "Heartbeat"}

// readOnly are the operations beside those that CloudTrail calls read-only, and those it does not though their names sound so; by service, then name.
var readOnly = map[string]bool{
	"kms/Decrypt": true, "kms/Encrypt": true, "kms/ReEncrypt": true, "kms/GenerateDataKey": true, "kms/GenerateDataKeyWithoutPlaintext": true,
	"kms/GenerateDataKeyPair": true, "kms/GenerateDataKeyPairWithoutPlaintext": true, "kms/GenerateRandom": true, "kms/GenerateMac": true, "kms/Sign": true,
	"kms/DeriveSharedSecret": true,
	"sts/AssumeRole":         true, "sts/AssumeRoleWithWebIdentity": true, "sts/AssumeRoleWithSAML": true, "sts/GetSessionToken": true, "sts/GetFederationToken": true,
	"iam/GenerateCredentialReport": true, "iam/GenerateServiceLastAccessedDetails": true,
}

// IsReadOnly says whether an operation is one that CloudTrail calls read-only. What is not known is not.
func IsReadOnly(service, operation string) bool {
	if readOnly[service+"/"+operation] {
		return true
	}
	for _, prefix := range reading {
		if strings.HasPrefix(operation, prefix) {
			return true
		}
	}
	return false
}

// objectOperations are the operations of S3 on objects, which are data events; those on buckets are management events ("Amazon S3 CloudTrail events").
var objectOperations = map[string]bool{
	"GetObject": true, "PutObject": true, "HeadObject": true, "DeleteObject": true, "DeleteObjects": true, "CopyObject": true, "ListObjects": true, "ListObjectsV2": true,
	"CreateMultipartUpload": true, "UploadPart": true, "UploadPartCopy": true, "CompleteMultipartUpload": true, "AbortMultipartUpload": true, "ListParts": true,
	"ListMultipartUploads": true, "GetObjectAttributes": true, "GetObjectTagging": true, "PutObjectTagging": true, "DeleteObjectTagging": true, "GetObjectAcl": true,
	"PutObjectAcl": true, "HeadBucket": true,
}

// IsData says whether the records of an operation are data events: the reading and writing of objects, segments and content keys.
func IsData(service, operation string) bool {
	return service == "s3" && objectOperations[operation] || service == "execute-api" || service == "player"
}

// issuing are the operations that CloudTrail calls read-only and whose answer a record has all the same: what was signed in as.
var issuing = map[string]bool{
	"sts/AssumeRole": true, "sts/AssumeRoleWithWebIdentity": true, "sts/AssumeRoleWithSAML": true, "sts/GetSessionToken": true, "sts/GetFederationToken": true,
}

// HasElements says whether the record of an operation tells what was answered: those of changes do, but for deletions, and those of sign-ins.
func HasElements(service, operation string) bool {
	if issuing[service+"/"+operation] {
		return true
	}
	return !IsReadOnly(service, operation) && !strings.HasPrefix(operation, "Delete")
}
