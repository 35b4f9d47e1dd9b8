// Package awsjson reads and writes the JSON of AWS's APIs over the structures of the AWS SDK for Go v2, by reflection: AWS JSON 1.1 (Smithy
// aws.protocols#awsJson1_1), as KMS and ACM speak it, and, with another Model, the bodies of REST-JSON, as MediaConvert does.
//
// Reading differs from encoding/json in that it finds every fault of a request and says where each is, takes no other spelling of a name, no member
// twice, no null in a list and nothing after the value, and keeps an absent list apart from an empty one. AWS passes over members that it does
// not know; here they are refused, so that nothing is ignored. Blobs are base64, times are seconds since the epoch, to the millisecond.
//
// Structures with a union are no part of what is offered: such a type panics. Rules that compare one member with another are not here. The package
// is pure: no I/O, no clock.
package awsjson
