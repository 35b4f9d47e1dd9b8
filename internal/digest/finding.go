package digest

// Kind is what was found.
type Kind string

// The faults: each is evidence that something was changed, or is not there.
const (
	Changed   Kind = "CHANGED"     // the bytes are not those that were signed for
	Backdated Kind = "BACK-DATED"  // so too, and the times of its events are not those that were signed for
	Missing   Kind = "MISSING"     // a digest or log file that another digest names
	Moved     Kind = "MOVED"       // a digest under another name than its own
	Unknown   Kind = "UNKNOWN KEY" // signed with a key that is none of the installation's
	Unsigned  Kind = "UNSIGNED"    // a digest without a signature
	Gap       Kind = "GAP"         // time or records that no digest or log file covers
	Duplicate Kind = "DUPLICATE"   // records or a log file that stand twice
	Fork      Kind = "FORK"        // a digest that its successor does not know
	Stray     Kind = "STRAY"       // a log file that no digest names
	NoTail    Kind = "NO TAIL"     // the newest digests are not there
)

// The notices: nothing is wrong, but an auditor should know.
const (
	Begins  Kind = "chain begins"
	Pending Kind = "not signed yet" // a log file that the next digest will name
	Others  Kind = "other trail"    // log files of another trail in the same place
	Outside Kind = "outside"        // the chain goes on outside of what was looked at
)

// notices are the kinds that are no faults.
var notices = map[Kind]bool{Begins: true, Pending: true, Others: true, Outside: true}

// IsFault says whether a finding of this kind means that the trail is not whole.
func (k Kind) IsFault() bool { return !notices[k] }

// Finding is one thing that verification has to say.
type Finding struct {
	Kind   Kind   `json:"kind"`
	Fault  bool   `json:"fault"`
	Bucket string `json:"bucket"`
	Object string `json:"object"` // the file that it is about
	Text   string `json:"text"`   // one sentence that explains it
}

// Report sums a verification up.
type Report struct {
	Digests      int   `json:"digests"`      // that were looked at
	ValidDigests int   `json:"validDigests"` // of them, those without a fault
	Logs         int   `json:"logs"`
	ValidLogs    int   `json:"validLogs"`
	Bytes        int64 `json:"bytes"` // of log files, uncompressed
	Faults       int   `json:"faults"`
	Notices      int   `json:"notices"`
	// First and Last are the beginning of the first and the end of the last valid digest.
	First *Time `json:"first"`
	Last  *Time `json:"last"`
}

// Valid says whether there was something to verify, and nothing is wrong with it.
func (r Report) Valid() bool { return r.Faults == 0 && r.Digests > 0 }
