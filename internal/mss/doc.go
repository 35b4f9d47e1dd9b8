// Package mss writes the client and server manifests of Microsoft Smooth Streaming for video on demand: [MS-SSTR] 2.2.2, and the SMIL document
// by which IIS Media Services find the files of a presentation.
package mss
