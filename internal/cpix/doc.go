// Package cpix reads and writes the documents in which content keys are asked for and given: the profiles of DASH-IF's Content Protection Information
// Exchange format that SPEKE v1.0 (CPIX 2.0) and SPEKE v2.0 (CPIX 2.3) make of it, for the side that asks and for the side that answers.
//
// It knows neither how documents travel (package speke) nor where keys come from. Rotation of keys and signatures over documents (XMLDSIG) are not part of it:
// the first is for live streams, and SPEKE excludes the second.
package cpix

import "darkroom/internal/cenc"

// MaxDocument is the size of the largest document that is read, in bytes.
const MaxDocument = 1 << 20

// Limits of what stands in a document.
const (
	maxDepth   = 16
	maxKeys    = 64
	maxSystems = 16 * maxKeys
	maxID      = 1024 // bytes of an identifier of content
)

// The namespaces of documents.
const (
	nsCPIX  = "urn:dashif:org:cpix"
	nsPSKC  = "urn:ietf:params:xml:ns:keyprov:pskc"
	nsSPEKE = "urn:aws:amazon:com:speke"
	nsDS    = "http://www.w3.org/2000/09/xmldsig#"
	nsENC   = "http://www.w3.org/2001/04/xmlenc#"
	nsCENC  = "urn:mpeg:cenc:2013"
	nsMSPR  = "urn:microsoft:playready"
	nsXSI   = "http://www.w3.org/2001/XMLSchema-instance"
)

// The versions of SPEKE.
const (
	V1 = 1 // SPEKE v1.0
	V2 = 2 // SPEKE v2.0
)

// cpixVersion is CPIX@version of SPEKE v2.0.
const cpixVersion = "2.3"

// hlsOnly says of a system that it is known to playlists alone: no box and no descriptor speaks of it.
func hlsOnly(system cenc.UUID) bool {
	return system == cenc.FairPlay || system == cenc.ClearKeyAES128 || system == cenc.HLSAES128
}
