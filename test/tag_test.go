package test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// TestTeams keeps teams apart by tags alone: what somebody makes must have the tag of their team, what has another's they cannot touch, and no
// operation on tags is a way around it.
// Source: IAM User Guide, "Controlling access to AWS resources using tags".
func TestTeams(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "unused", clip(t, 1))
	admin := s.admin()
	film := s.role("FilmRole", trust(toMediaConvert), "")
	const (
		mine   = `"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}`
		asking = `"StringEquals":{"aws:RequestTag/team":"${aws:PrincipalTag/team}"},"ForAllValues:StringEquals":{"aws:TagKeys":["team","title"]}`
		// A tag operation may be on one's own things alone, and may not move them to another team.
		retag = `"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"},"StringEqualsIfExists":{"aws:RequestTag/team":"${aws:PrincipalTag/team}"},` +
			`"ForAllValues:StringEquals":{"aws:TagKeys":["team","title"]}`
		untag = `"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"},"ForAllValues:StringEquals":{"aws:TagKeys":["title"]}`
	)
	team := policy(
		allow("mediaconvert:CreateJob mediaconvert:CreateQueue mediaconvert:CreatePreset mediaconvert:CreateJobTemplate", "*", asking),
		allow("mediaconvert:TagResource", mc("jobs/*")+" "+mc("queues/cut*")+" "+mc("presets/cut*")+" "+mc("jobTemplates/cut*"), asking, `"Null":{"aws:ResourceTag/team":"true"}`),
		allow("mediaconvert:TagResource", "*", retag), allow("mediaconvert:UntagResource", "*", untag),
		allow("mediaconvert:Get* mediaconvert:Update* mediaconvert:Delete* mediaconvert:CancelJob mediaconvert:ListTagsForResource", "*", mine),
		allow("mediaconvert:ListQueues mediaconvert:ListJobs", "*"), passing(film))
	member := func(name, its string) *person {
		p := s.user(name, team)
		if its != "" {
			if _, err := s.iam("admin").TagUser(t.Context(), &iam.TagUserInput{UserName: &name, Tags: []types.Tag{{Key: aws.String("team"), Value: &its}}}); err != nil {
				t.Fatal(err)
			}
		}
		return p
	}
	cutter, loner := member("mara", "cut"), member("lone", "")
	admin.aws("mediaconvert", "update-queue", "--name", "Default", "--status", "PAUSED")

	t.Run("jobs", func(t *testing.T) {
		t.Parallel()
		p, loner, admin := cutter.in(t), loner.in(t), admin.in(t)
		ask := func(more ...string) []string {
			return newJob(film, "s3://films/none.mp4", "s3://films/out/", more...)
		}
		own := p.aws(ask("--tags", "team=cut,title=Reel")...)
		theirs := admin.aws(ask("--tags", "team=sound")...)
		nobodys := admin.aws(ask()...)
		if got := p.aws("mediaconvert", "get-job", "--id", own, "--query", "Job.Id"); got != own {
			t.Errorf("got %q", got)
		}
		for _, tags := range []string{"", "team=sound", "title=Reel", "team=cut,owner=mara", "Team=cut", "team=Cut", "team=*", "team=cut*"} {
			more := []string{"--tags", tags}
			if tags == "" {
				more = nil
			}
			p.denied("mediaconvert:CreateJob", mc("queues/Default"), byNobody, ask(more...)...)
		}
		loner.denied("mediaconvert:CreateJob", mc("queues/Default"), byNobody, ask("--tags", "team=cut")...)
		loner.denied("mediaconvert:CreateJob", mc("queues/Default"), byNobody, ask("--tags", "team=")...)
		loner.denied("mediaconvert:GetJob", mc("jobs/"+nobodys), byNobody, "mediaconvert", "get-job", "--id", nobodys)
		for _, id := range []string{theirs, nobodys, "1795698912757-abcdef"} {
			p.denied("mediaconvert:GetJob", mc("jobs/"+id), byNobody, "mediaconvert", "get-job", "--id", id)
			p.denied("mediaconvert:CancelJob", mc("jobs/"+id), byNobody, "mediaconvert", "cancel-job", "--id", id)
			p.denied("mediaconvert:ListTagsForResource", mc("jobs/"+id), byNobody, "mediaconvert", "list-tags-for-resource", "--arn", mc("jobs/"+id))
		}
		p.denied("mediaconvert:TagResource", mc("jobs/"+theirs), byNobody, "mediaconvert", "tag-resource", "--arn", mc("jobs/"+theirs), "--tags", "team=cut")
		p.denied("mediaconvert:TagResource", mc("jobs/"+theirs), byNobody, "mediaconvert", "tag-resource", "--arn", mc("jobs/"+theirs), "--tags", "title=Reel")
		p.denied("mediaconvert:UntagResource", mc("jobs/"+theirs), byNobody, "mediaconvert", "untag-resource", "--arn", mc("jobs/"+theirs), "--tag-keys", "team")
		p.denied("mediaconvert:TagResource", mc("jobs/"+own), byNobody, "mediaconvert", "tag-resource", "--arn", mc("jobs/"+own), "--tags", "team=sound")
		p.denied("mediaconvert:TagResource", mc("jobs/"+own), byNobody, "mediaconvert", "tag-resource", "--arn", mc("jobs/"+own), "--tags", "TEAM=cut")
		p.denied("mediaconvert:UntagResource", mc("jobs/"+own), byNobody, "mediaconvert", "untag-resource", "--arn", mc("jobs/"+own), "--tag-keys", "team")
		p.denied("mediaconvert:UntagResource", mc("jobs/"+own), byNobody, "mediaconvert", "untag-resource", "--arn", mc("jobs/"+own), "--tag-keys", "title", "team")
		p.aws("mediaconvert", "tag-resource", "--arn", mc("jobs/"+own), "--tags", "title=Trailer")
		if got := p.aws("mediaconvert", "list-tags-for-resource", "--arn", mc("jobs/"+own), "--query", "ResourceTags.Tags.[team,title]"); got != "cut\tTrailer" {
			t.Errorf("tags: %q", got)
		}
		p.aws("mediaconvert", "untag-resource", "--arn", mc("jobs/"+own), "--tag-keys", "title")
		p.aws("mediaconvert", "cancel-job", "--id", own)
		// A member who changes the team sees that one's, and not the old one's any more.
		mover := s.in(t).user("mover", team).in(t)
		admin.aws("iam", "tag-user", "--user-name", "mover", "--tags", "Key=team,Value=sound")
		mover.aws("mediaconvert", "get-job", "--id", theirs)
		mover.denied("mediaconvert:GetJob", mc("jobs/"+own), byNobody, "mediaconvert", "get-job", "--id", own)
		admin.aws("iam", "tag-user", "--user-name", "mover", "--tags", "Key=team,Value=cut")
		mover.aws("mediaconvert", "get-job", "--id", own)
		mover.denied("mediaconvert:GetJob", mc("jobs/"+theirs), byNobody, "mediaconvert", "get-job", "--id", theirs)
		admin.aws("iam", "untag-user", "--user-name", "mover", "--tag-keys", "team")
		mover.denied("mediaconvert:GetJob", mc("jobs/"+own), byNobody, "mediaconvert", "get-job", "--id", own)
	})

	for _, kind := range []struct {
		name, action, collection, command string
		settings                          []string
	}{
		{"queues", "Queue", "queues/", "queue", nil},
		{"presets", "Preset", "presets/", "preset", []string{"--settings", presetJSON(t)}},
		{"templates", "JobTemplate", "jobTemplates/", "job-template", []string{"--settings", `{"OutputGroups":[]}`}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			p, admin := cutter.in(t), admin.in(t)
			creating := func(name string, more ...string) []string {
				return append(append([]string{"mediaconvert", "create-" + kind.command, "--name", name}, kind.settings...), more...)
			}
			is := func(name string) string { return mc(kind.collection + name) }
			p.aws(creating("cut-one", "--tags", "team=cut,title=Reel")...)
			admin.aws(creating("sound-one", "--tags", "team=sound")...)
			p.denied("mediaconvert:Create"+kind.action, "*", byNobody, creating("cut-two")...)
			p.denied("mediaconvert:Create"+kind.action, "*", byNobody, creating("cut-two", "--tags", "team=sound")...)
			p.denied("mediaconvert:Create"+kind.action, "*", byNobody, creating("cut-two", "--tags", "team=cut,owner=mara")...)
			p.denied("mediaconvert:TagResource", is("other-two"), byNobody, creating("other-two", "--tags", "team=cut")...)
			// What is there already cannot be made one's own by making it again.
			p.denied("mediaconvert:TagResource", is("sound-one"), byNobody, creating("sound-one", "--tags", "team=cut")...)
			p.aws("mediaconvert", "get-"+kind.command, "--name", "cut-one")
			p.aws("mediaconvert", "get-"+kind.command, "--name", is("cut-one"))
			for _, tt := range []struct{ action, command string }{
				{"Get" + kind.action, "get-" + kind.command + " --name sound-one"},
				{"Get" + kind.action, "get-" + kind.command + " --name " + is("sound-one")},
				{"Update" + kind.action, "update-" + kind.command + " --name sound-one --description mine"},
				{"Delete" + kind.action, "delete-" + kind.command + " --name sound-one"},
				{"ListTagsForResource", "list-tags-for-resource --arn " + is("sound-one")},
				{"TagResource", "tag-resource --tags team=cut --arn " + is("sound-one")},
				{"UntagResource", "untag-resource --tag-keys team --arn " + is("sound-one")},
				{"UntagResource", "untag-resource --tag-keys title --arn " + is("sound-one")},
			} {
				p.denied("mediaconvert:"+tt.action, is("sound-one"), byNobody, append([]string{"mediaconvert"}, strings.Fields(tt.command)...)...)
			}
			p.denied("mediaconvert:TagResource", is("cut-one"), byNobody, "mediaconvert", "tag-resource", "--arn", is("cut-one"), "--tags", "team=sound")
			p.denied("mediaconvert:UntagResource", is("cut-one"), byNobody, "mediaconvert", "untag-resource", "--arn", is("cut-one"), "--tag-keys", "team")
			p.aws("mediaconvert", "untag-resource", "--arn", is("cut-one"), "--tag-keys", "title")
			p.aws("mediaconvert", "update-"+kind.command, "--name", "cut-one", "--description", "ours")
			if got := p.aws("mediaconvert", "list-tags-for-resource", "--arn", is("cut-one"), "--query", "ResourceTags.Tags"); got != "cut" {
				t.Errorf("tags: %q", got)
			}
			// What loses the tag is nobody's.
			admin.aws("mediaconvert", "untag-resource", "--arn", is("cut-one"), "--tag-keys", "team")
			p.denied("mediaconvert:Get"+kind.action, is("cut-one"), byNobody, "mediaconvert", "get-"+kind.command, "--name", "cut-one")
			p.denied("mediaconvert:Delete"+kind.action, is("cut-one"), byNobody, "mediaconvert", "delete-"+kind.command, "--name", "cut-one")
			admin.aws("mediaconvert", "tag-resource", "--arn", is("cut-one"), "--tags", "team=cut")
			p.aws("mediaconvert", "delete-"+kind.command, "--name", "cut-one")
		})
	}
}
