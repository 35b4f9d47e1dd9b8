// Package awsquery is the server's side of the AWS Query protocol (Smithy aws.protocols#awsQuery, version 1.0), as IAM (API version
// 2010-05-08) and STS (2011-06-15) speak it: forms become the structures of the AWS SDK for Go v2, and those become XML.
//
// A request is read in two steps: Parse takes the form apart, whatever its operation is; Form.Decode reads it into the input of the operation that
// it names, and holds it against the constraints of the API's model. Decode finds every fault of a request; nothing is passed over: a
// parameter that the operation does not have, one that is given twice, and a list that is not numbered from 1 without a gap are refused.
// Encode and EncodeError write the answers.
//
// Which operations there are, what they mean, and rules that compare one member with another are not here. Policy documents are plain text here;
// that IAM percent-encodes them in answers is the caller's to do. The package is pure: no I/O, no clock.
package awsquery
