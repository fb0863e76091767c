#include "control/json_value.hpp"
#include "control/json_writer.hpp"
#include "control/url.hpp"

#include <gtest/gtest.h>

#include <string>

namespace isthmus::control {
namespace {

std::string json_message(const std::string& text) {
    const auto value = parse_json(text);
    return value ? "accepted" : value.error().message;
}

TEST(Json, ReadsValues) {
    const auto value = parse_json(R"( {"a":[1,-1,1.0,true,null,"\u00e9"],"b":{"c":{}}} )");
    ASSERT_TRUE(value) << value.error().message;
    const auto& list = *value->find("a")->as<JsonArray>();
    ASSERT_EQ(list.size(), 6u);
    EXPECT_EQ(*list[0].as<uint64_t>(), 1u);
    EXPECT_EQ(list[1].text(), "-1");
    EXPECT_EQ(list[1].as<uint64_t>(), nullptr);
    EXPECT_EQ(list[2].text(), "1.0");
    EXPECT_EQ(*list[3].as<bool>(), true);
    EXPECT_TRUE(list[4].is_null());
    EXPECT_EQ(list[5].text(), "\u00e9");
    EXPECT_NE(value->find("b")->find("c"), nullptr);
    EXPECT_EQ(value->find("x"), nullptr);
}

TEST(Json, NumbersBeyond64Bits) {
    EXPECT_EQ(*parse_json("18446744073709551615")->as<uint64_t>(), ~uint64_t{0});
    EXPECT_EQ(parse_json("18446744073709551616")->as<uint64_t>(), nullptr);
    EXPECT_EQ(parse_json("1e2")->as<uint64_t>(), nullptr);
}

TEST(Json, RefusesWithPlace) {
    EXPECT_EQ(json_message(""), "body: not JSON at line 1, column 1");
    EXPECT_EQ(json_message("{\n  \"a\": x}"), "body: not JSON at line 2, column 8");
    EXPECT_EQ(json_message("{} {}"), "body: not JSON at line 1, column 4");
    EXPECT_NE(json_message("{\"a\":1,}"), "accepted");
    EXPECT_NE(json_message("[1 2]"), "accepted");
    EXPECT_NE(json_message("\"\xff\""), "accepted");
    EXPECT_NE(json_message("// x\n1"), "accepted");
    EXPECT_NE(json_message("NaN"), "accepted");
    EXPECT_NE(json_message("01"), "accepted");
}

// What stands in a broken body may be a SAK.
TEST(Json, ErrorsShowNothingOfTheText) {
    EXPECT_EQ(json_message("{\"sak\":\"0123456789abcdef").find("0123"), std::string::npos);
}

TEST(Json, RefusesDuplicateNames) {
    EXPECT_EQ(json_message(R"({"a":1,"b":{"a":2},"a":3})"),
              "body: an object has the name 'a' twice");
    EXPECT_EQ(json_message(R"({"a":1,"\u0061":3})"), "body: an object has the name 'a' twice");
}

TEST(Json, BoundsDepthAndMembers) {
    const auto nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };
    EXPECT_EQ(json_message(nested(kMaxJsonDepth)), "accepted");
    EXPECT_EQ(json_message(nested(kMaxJsonDepth + 1)), "body: nested deeper than 16 levels");
    EXPECT_EQ(json_message(std::string(1'000'000, '[')), "body: nested deeper than 16 levels");
    std::string wide = "{";
    for (std::size_t i = 0; i <= kMaxJsonMembers; ++i)
        wide += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":0";
    EXPECT_EQ(json_message(wide + "}"), "body: an object has over 128 names");
}

TEST(Json, WriterPutsCommasAndEscapes) {
    JsonWriter json;
    json.begin_object().member("a", 1).key("b").begin_array().value("x").null().value(true);
    json.begin_object().end_object().end_array().member("c", "q\"\\\n\x01").end_object();
    EXPECT_EQ(json.take(), R"({"a":1,"b":["x",null,true,{}],"c":"q\"\\\u000a\u0001"})");
}

// Whatever octets come in, what goes out is JSON.
TEST(Json, WriterReplacesWhatIsNotUtf8) {
    for (const std::string text :
         {"\xff", "\xc3", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80", "a\x80z"}) {
        JsonWriter json;
        json.value(text);
        EXPECT_EQ(json_message(json.take()), "accepted");
    }
    JsonWriter json;
    json.value("\u00e9\u20ac\U0001f600");
    EXPECT_EQ(json.take(), "\"\u00e9\u20ac\U0001f600\"");
}

TEST(Url, DecodesWholeEscapesOnly) {
    EXPECT_EQ(percent_decode("10.0.0.0%2F8"), "10.0.0.0/8");
    EXPECT_EQ(percent_decode("%e2%82%ac"), "\u20ac");
    for (const char* bad : {"%", "%2", "%2g", "%g2", "a%00"})
        EXPECT_FALSE(percent_decode(bad)) << bad;
    EXPECT_EQ(percent_encode("fd00::/16 a-b_c.d~"), "fd00%3A%3A%2F16%20a-b_c.d~");
    EXPECT_EQ(percent_decode(percent_encode("\xff/%")), "\xff/%");
}

TEST(Url, SplitsBeforeItDecodes) {
    const std::vector<std::string> expected = {"v1", "a/b", "c"};
    EXPECT_EQ(split_path("/v1/a%2Fb/c"), expected);
    for (const char* bad : {"", "v1", "/", "/v1/", "//v1", "/v1//a", "/v1/%zz"})
        EXPECT_FALSE(split_path(bad)) << bad;
}

} // namespace
} // namespace isthmus::control
