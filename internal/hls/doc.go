// Package hls writes the playlists of HTTP Live Streaming (RFC 8216) for video on demand.
//
// It is a writer of its own, because the playlists that are asked for have protocol version 2 when durations are whole seconds, and state
// durations so that their sum does not drift; the libraries at hand begin at version 3 and round every duration by itself.
package hls
