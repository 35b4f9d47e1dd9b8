package iam

import (
	"slices"
	"strings"
)

// What a statement grants beyond what was meant. Source: IAM User Guide, "Security best practices in IAM"; "Grant a user permissions to pass a
// role to an AWS service".

func lintFullAccess(l *linter, s *Statement) {
	if s.full() {
		l.add(s.Path, `Action "*" on Resource "*" allows everything that the account can do, the administration of its users too`,
			"name the actions and the resources that are needed")
	}
}

// passesRole says whether a statement that is not full access allows iam:PassRole, and by which action.
func passesRole(s *Statement) (i int, ok bool) {
	i = s.grants("iam:PassRole")
	return i, i >= 0 && !s.full() && s.reaches("iam", "role/")
}

func lintPassRoleByWildcard(l *linter, s *Statement) {
	if i, ok := passesRole(s); ok && !equalFold(s.Actions[i], "iam:PassRole") {
		l.add(l.action(s, i), shown(s.Actions[i])+" allows iam:PassRole along with other actions: who passes a role can do what the role can",
			"allow iam:PassRole in a statement of its own, on the roles that are to be passed")
	}
}

func lintPassRoleAnyRole(l *linter, s *Statement) {
	if _, ok := passesRole(s); !ok {
		return
	}
	if i := s.wild("iam", "role/"); i >= 0 {
		l.add(l.resource(s, i), "iam:PassRole on "+shown(s.Resources[i])+" hands over every role of the account, the most powerful one too",
			"name the ARNs of the roles that are to be passed")
	}
}

func lintPassRoleAnyService(l *linter, s *Statement) {
	if i, ok := passesRole(s); ok && !s.narrows("iam:passedtoservice") {
		l.add(l.action(s, i), "iam:PassRole without a condition on iam:PassedToService lets the role be passed to any service that it trusts",
			`add "Condition": {"StringEquals": {"iam:PassedToService": "mediaconvert.amazonaws.com"}}`)
	}
}

func lintPassRoleWithCreateJob(l *linter, s *Statement) {
	i, ok := passesRole(s)
	if !ok || s.wild("iam", "role/") < 0 {
		return
	}
	if slices.ContainsFunc(l.p.Statements, func(other Statement) bool { return other.grants("mediaconvert:CreateJob") >= 0 }) {
		l.add(l.action(s, i), "with mediaconvert:CreateJob, iam:PassRole on every role lets a job read and write whatever any role that trusts MediaConvert can",
			"allow iam:PassRole only on the roles that jobs are meant to have")
	}
}

// escalations are the actions by which whoever has them can raise their own rights, with how.
var escalations = []struct{ action, how string }{
	{"iam:CreatePolicyVersion", "rewrites a policy that is attached to oneself"},
	{"iam:SetDefaultPolicyVersion", "brings back a more generous version of a policy"},
	{"iam:AttachUserPolicy", "attaches any policy to oneself"},
	{"iam:AttachGroupPolicy", "attaches any policy to one's group"},
	{"iam:AttachRolePolicy", "attaches any policy to a role that one can assume"},
	{"iam:PutUserPolicy", "writes a policy for oneself"},
	{"iam:PutGroupPolicy", "writes a policy for one's group"},
	{"iam:PutRolePolicy", "writes a policy for a role that one can assume"},
	{"iam:AddUserToGroup", "joins a group of administrators"},
	{"iam:UpdateAssumeRolePolicy", "makes any role trust oneself"},
	{"iam:CreateAccessKey", "makes a key of another user"},
	{"iam:CreateLoginProfile", "makes a password of another user"},
	{"iam:UpdateLoginProfile", "changes the password of another user"},
	{"iam:PutUserPermissionsBoundary", "widens one's own boundary"},
	{"iam:PutRolePermissionsBoundary", "widens the boundary of a role that one can assume"},
	{"iam:DeleteUserPermissionsBoundary", "removes one's own boundary"},
	{"iam:DeleteRolePermissionsBoundary", "removes the boundary of a role that one can assume"},
}

// ownOnly are the escalations that are none on one's own user.
var ownOnly = []string{"iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile"}

func lintPrivilegeEscalation(l *linter, s *Statement) {
	if s.Effect != Allow || s.full() || s.mentions("iam:permissionsboundary") || !s.reaches("iam", "") {
		return
	}
	first, ways := -1, []string(nil)
	for _, e := range escalations {
		i := s.grants(e.action)
		if i < 0 || slices.Contains(ownOnly, e.action) && s.ownUser() {
			continue
		}
		if first < 0 {
			first = i
		}
		ways = append(ways, e.action+" "+e.how)
	}
	if first >= 0 {
		l.add(l.action(s, first), "whoever has this can raise their own rights: "+list(ways, "and"),
			"leave these actions to administrators, or demand a permissions boundary by a condition on iam:PermissionsBoundary")
	}
}

// ownUser says whether all resources of a statement are the user who asks.
func (s *Statement) ownUser() bool {
	return s.NotResources == nil && !slices.ContainsFunc(s.Resources, func(text string) bool {
		return !strings.HasSuffix(lower(text), "/${aws:username}")
	})
}

func lintAssumeAnyRole(l *linter, s *Statement) {
	if s.grants("sts:AssumeRole") < 0 || s.full() {
		return
	}
	if i := s.wild("iam", "role/"); i >= 0 {
		l.add(l.resource(s, i), "sts:AssumeRole on "+shown(s.Resources[i])+" opens every role that trusts the account",
			"name the ARNs of the roles that are to be assumed")
	}
}

func lintNotActionAllow(l *linter, s *Statement) {
	if s.Effect == Allow && s.NotActions != nil {
		l.add(s.Path+"/NotAction", "Allow with NotAction allows every other action of every service, also iam:PassRole and those that come later",
			"list what is allowed in Action, or what is not in a Deny")
	}
}

func lintNotResourceAllow(l *linter, s *Statement) {
	if s.Effect == Allow && s.NotResources != nil {
		l.add(s.Path+"/NotResource", "Allow with NotResource allows the actions on everything else, also on what is made later",
			"list what is allowed in Resource, or what is not in a Deny")
	}
}

func lintNotPrincipal(l *linter, s *Statement) {
	if s.NotPrincipals != nil {
		l.add(s.Path+"/NotPrincipal", "NotPrincipal must name the account, the user or role, and each session of a role, or it shuts out those who were meant",
			`use "Principal": "*" with a condition ArnNotLike on aws:PrincipalArn`)
	}
}
