// Package mediaconvert is the wire of the AWS Elemental MediaConvert API, version 2017-08-29: which operations there are, how their
// requests are read and their answers written, which values are within the limits of the model, and what its errors are called.
//
// The types are those of the AWS SDK for Go v2. The name of a member on the wire is its Go name with the first letter in lower case;
// requests may also spell it as in Go, as consoles and job exports do. Decode differs from encoding/json in that it finds every fault
// of a request and says where each is, takes no other spelling of a name, no member twice, no null in a list and nothing after
// the value, and keeps an absent list apart from an empty one.
//
// Rules that compare one member with another are not here: they are judged where the job is planned. The package is pure: no I/O, no clock.
package mediaconvert
