// Package packager carries encoded renditions to their destinations: it reads each rendition's stream once, as the encoder makes it, and
// writes the progressive MP4 files, the HLS packages and the still pictures of a plan to an object store, without a temporary file.
//
// # What waits for what
//
// All renditions come from one encoder process, each on its own pipe. When nobody reads a pipe, the encoder stops, and no other pipe gets
// anything either. So a reader may be held back only by something that ends without any more input:
//
//   - Every rendition has one reader. It hands batches of samples to the queue of each package that wants them; the samples themselves
//     are shared, not copied.
//   - Every package has one goroutine that takes samples from its queue in the order of time. It is hungry when a track that has not ended
//     has nothing in the queue; then it cannot go on, and its queue takes whatever comes, or the encoder would stop for good. When it is
//     not hungry it is working or waiting for the store, and both end; then a queue beyond Options.QueueLimit holds its readers back. That is how a
//     slow store slows the encoder down.
//   - A file does not depend on the order of its chunks. When its tracks have drifted apart by more than Options.QueueLimit it stops waiting for the
//     late one and writes what it has: the file is less well interleaved, and memory stays bounded.
//   - A transport stream segment needs all of its tracks. Samples that wait for a late track are held up to Options.MemoryLimit for the whole
//     job; beyond it Run fails with ErrDrift rather than take more memory or stand still.
//
// Captions are there from the beginning (Options.Captions) and wait for nothing but the end of the pictures that they go with: they are cut where those were.
//
// A stalled store stalls the job until the context ends; nothing here knows how long is too long.
//
// # What is held in memory
//
// Samples in queues (Options.MemoryLimit at most, each counted once however many packages share it), the part being filled of every object
// under way (up to maxJoin of a segment that may be joined to the one before), the first part of each file, the parts being uploaded (Options.InFlightLimit) and the sample tables of files (some bytes for each
// sample). None but the tables grows with the length of the film. Report.PeakBytes tells how much the samples and parts came to.
//
// # When things go wrong
//
// Nothing announces what is not there: a file becomes visible when it is complete, playlists are written when all segments of the group
// are, and both wait for Options.Ended, which says whether the encoder came to a good end. On an error or when the context ends, uploads
// under way are aborted; what is left in the store is in the Report that comes with the error.
package packager
