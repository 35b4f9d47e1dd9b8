// Package dash writes media presentation descriptions of finished films: ISO/IEC 23009-1 and the DASH-IF interoperability points, with the
// signalling of encryption of ISO/IEC 23001-7.
//
// A Manifest is a flat list of representations. Which of them make an AdaptationSet follows from what they are: the writer groups them. It does
// no I/O, and refuses to write what would be no valid description. Live presentations and several periods are not written.
package dash
