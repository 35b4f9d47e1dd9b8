package webhook

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"darkroom/internal/target"
)

// MaxRetryAfter is the longest that a receiver is waited for because it asked for it: what it asks for beyond that is taken as this.
const MaxRetryAfter = 24 * time.Hour

// again are the statuses below 500 that another attempt may change. EventBridge tries again after 401, 407, 409, 429 and every 5xx; 408 and 425 say by themselves that it was
// the moment that was wrong.
var again = map[int]bool{
	http.StatusUnauthorized: true, http.StatusProxyAuthRequired: true, http.StatusRequestTimeout: true, http.StatusConflict: true, http.StatusTooEarly: true, http.StatusTooManyRequests: true,
}

// judge says what a status means for the message. A redirect is a refusal: the receiver that was configured is the one that is meant.
func (s *Sender) judge(resp *http.Response) error {
	status := resp.StatusCode
	reason := fmt.Sprintf("HTTP status %d", status)
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusGone:
		return &target.Refused{Gone: true, Reason: reason}
	case status >= 300 && status < 400:
		return &target.Refused{Reason: reason + ", a redirect; none is followed"}
	case status < 500 && !again[status]:
		return &target.Refused{Reason: reason}
	}
	err := fmt.Errorf("%s: %s", s.what(), reason)
	if after := retryAfter(resp.Header.Get("Retry-After"), s.o.Now()); after > 0 {
		return &target.Later{After: after, Err: err}
	}
	return err
}

// retryAfter reads a number of seconds or a date (RFC 9110 section 10.2.3); what is neither, or past, is 0.
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(value, 10, 63); err == nil {
		return time.Duration(min(n, uint64(MaxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), MaxRetryAfter))
}
