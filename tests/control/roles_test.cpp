#include "control/roles.hpp"

#include "control/http_message.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <unistd.h>

namespace isthmus::control {
namespace {

TEST(Roles, RootAndTheDaemonWriteTheSocketsGroupReads) {
    const Roles roles(AccessConfig{}, 100, 200);
    EXPECT_EQ(roles.role_of({1, 0, 0}), Role::write);
    EXPECT_EQ(roles.role_of({1, 100, 5}), Role::write);
    EXPECT_EQ(roles.role_of({1, 7, 200}), Role::read);
    EXPECT_EQ(roles.role_of({1, 7, 5, {4, 200}}), Role::read);
    EXPECT_EQ(roles.role_of({1, 7, 5, {4}}), Role::none);
}

TEST(Roles, ListsAddUsersAndReplaceTheGroupThatReads) {
    AccessConfig access;
    access.socket_group = 300;
    access.read_users = {7};
    access.write_users = {8};
    access.write_groups = {400};
    EXPECT_EQ(Roles(access, 100, 200).role_of({1, 9, 300}), Role::read);
    EXPECT_EQ(Roles(access, 100, 200).role_of({1, 9, 200}), Role::none);
    access.read_groups = std::vector<gid_t>{500};
    const Roles roles(access, 100, 200);
    EXPECT_EQ(roles.role_of({1, 9, 300}), Role::none);
    EXPECT_EQ(roles.role_of({1, 9, 500}), Role::read);
    EXPECT_EQ(roles.role_of({1, 7, 1}), Role::read);
    EXPECT_EQ(roles.role_of({1, 8, 1}), Role::write);
    EXPECT_EQ(roles.role_of({1, 9, 500, {1, 400}}), Role::write);
}

TEST(Roles, RefusalNamesTheRoleThatIsMissing) {
    const Roles roles(AccessConfig{}, 100, 200);
    HttpRequest request;
    request.method = "PATCH";
    request.peer = Credentials{1, 7, 200};
    auto refusal = roles.refuse(request);
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->status, 403u);
    EXPECT_NE(
        refusal->body.find(R"("code":"forbidden","field":"role","value":"read","limit":"write")"),
        std::string::npos)
        << refusal->body;
    request.method = "HEAD";
    EXPECT_FALSE(roles.refuse(request));
    request.peer.reset();
    EXPECT_TRUE(roles.refuse(request));
}

TEST(Roles, PeerIsWhatTheKernelSays) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    const auto peer = credentials_of(ends[0]);
    ASSERT_TRUE(peer);
    EXPECT_EQ(peer->pid, getpid());
    EXPECT_EQ(peer->uid, geteuid());
    std::vector<gid_t> own(static_cast<std::size_t>(getgroups(0, nullptr)));
    ASSERT_GE(getgroups(static_cast<int>(own.size()), own.data()), 0);
    EXPECT_EQ(peer->groups, own);
    close(ends[0]);
    close(ends[1]);
    EXPECT_FALSE(credentials_of(-1));
}

} // namespace
} // namespace isthmus::control
