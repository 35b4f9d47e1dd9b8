package playerapi

import (
	"net/http"
	"path"
	"strings"
)

// mediaTypes are the content types of what packages are made of, by extension. What somebody stored as another type is no page of this origin.
var mediaTypes = map[string]string{
	".m3u8": "application/vnd.apple.mpegurl", // RFC 8216 section 4
	".mpd":  "application/dash+xml",          // ISO/IEC 23009-1 annex C
	".ism":  "application/vnd.ms-sstr+xml", ".ismc": "application/vnd.ms-sstr+xml",
	".mp4": "video/mp4", ".m4s": "video/iso.segment", ".cmfv": "video/mp4", ".cmfa": "audio/mp4", ".cmft": "application/mp4", ".m4v": "video/mp4", ".m4a": "audio/mp4",
	".ismv": "video/mp4", ".isma": "audio/mp4", ".ts": "video/mp2t", ".aac": "audio/aac", ".ac3": "audio/ac3", ".ec3": "audio/eac3", ".mp3": "audio/mpeg",
	".vtt": "text/vtt; charset=utf-8", ".ttml": "application/ttml+xml", ".dfxp": "application/ttml+xml", ".jpg": "image/jpeg", ".png": "image/png",
}

// mediaType is the content type of an object.
func mediaType(name string) string {
	if t, ok := mediaTypes[strings.ToLower(path.Ext(name))]; ok {
		return t
	}
	return "application/octet-stream"
}

// shown are the headers of an object that a player has use for.
var shown = []string{"Content-Length", "Content-Range", "Content-Type", "Content-Encoding", "Accept-Ranges", "Etag", "Last-Modified", "Date", "X-Amzn-Requestid", "Retry-After"}

// mediaWriter is what S3 writes an object to: the headers become those of the player's side.
type mediaWriter struct {
	http.ResponseWriter
	name  string // of the object; empty for a refusal
	wrote bool
}

// Unwrap lets http.ResponseController reach the connection.
func (w *mediaWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *mediaWriter) WriteHeader(status int) {
	if !w.wrote {
		w.wrote = true
		h := w.Header()
		keep := make(http.Header)
		for _, name := range shown {
			if v := h.Values(name); len(v) > 0 {
				keep[name] = v
			}
		}
		clear(h)
		for name, v := range keep {
			h[name] = v
		}
		guard(h)
		if w.name != "" && status < http.StatusMultipleChoices {
			h.Set("Content-Type", mediaType(w.name))
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *mediaWriter) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}
