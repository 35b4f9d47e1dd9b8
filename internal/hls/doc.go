// Package hls writes the playlists of HTTP Live Streaming for video on demand: RFC 8216, the attributes of draft-pantos-hls-rfc8216bis that
// players ask for, and image media playlists (Image Media Playlist specification 0.4, which Roku's players and MediaConvert follow).
//
// It is a writer of its own, because the playlists that are asked for have protocol version 2 when durations are whole seconds, and state
// durations so that their sum does not drift; the libraries at hand begin at version 3 and round every duration by itself.
//
// Whatever a name, a language or a reference holds, it stays inside its attribute or its line. Live playlists whose beginning moves,
// discontinuities and variables are not written.
package hls
