// What a port's `device` may say, and the kernel's view of PCI devices.
#include "dataplane/device_kind.hpp"
#include "dataplane/pci_device.hpp"
#include "tests/must.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace isthmus::test {
namespace {

using dataplane::read_device;
namespace fs = std::filesystem;

TEST(DeviceText, NameAndArgumentsAreKept) {
    const auto memif = must(read_device("net_memif3,role=client,socket=/run/a b.sock"));
    EXPECT_EQ(memif.name, "net_memif3");
    EXPECT_EQ(memif.arguments_text(), "role=client,socket=/run/a b.sock");
    EXPECT_TRUE(memif.kind.connects);
    EXPECT_FALSE(must(read_device("net_memif3,role=server")).kind.connects);
    EXPECT_TRUE(must(read_device("net_virtio_user0,path=/a,server=1")).kind.needs_peer);
    EXPECT_FALSE(must(read_device("net_virtio_user0,path=/a")).kind.needs_peer);
    EXPECT_TRUE(must(read_device("0a:00.1,x=1")).pci);
    EXPECT_EQ(must(read_device("0a:00.1,x=1")).name, "0000:0a:00.1");
}

TEST(DeviceText, VirtioUserIsMadeWithItsMac) {
    const MacAddr mac{{2, 0, 0, 0, 0, 0x1f}};
    const auto made = [&](const char* text) {
        auto device = must(read_device(text));
        device.make_with(mac);
        return device.arguments_text();
    };
    EXPECT_EQ(made("net_virtio_user0,path=/a"), "path=/a,mac=02:00:00:00:00:1f");
    EXPECT_EQ(made("net_virtio_user0,path=/a,mac=02:00:00:00:00:01"),
              "path=/a,mac=02:00:00:00:00:01");
    EXPECT_EQ(made("net_vhost0,iface=/a"), "iface=/a");
}

TEST(DeviceText, BondNamesItsMembers) {
    const auto bond = must(read_device(
        "net_bonding0,mode=4,member=(net_virtio_user0,path=/a,queues=1),member=(01:00.0)"));
    EXPECT_EQ(bond.arguments_text(), "mode=4,slave=net_virtio_user0,slave=0000:01:00.0");
    ASSERT_EQ(bond.members.size(), 2u);
    EXPECT_EQ(bond.members[0].arguments_text(), "path=/a,queues=1");
    EXPECT_TRUE(shares_memory(bond));
    EXPECT_TRUE(bond.kind.one_queue);
    EXPECT_TRUE(bond.kind.sends_idle);
}

struct Refused {
    const char* text;
    const char* why;
};

class RefusedDevice : public testing::TestWithParam<Refused> {};

TEST_P(RefusedDevice, SaysWhy) {
    const auto device = read_device(GetParam().text);
    ASSERT_FALSE(device) << GetParam().text;
    EXPECT_NE(device.error().message.find(GetParam().why), std::string::npos)
        << device.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Texts, RefusedDevice,
    testing::Values(Refused{"", "neither"}, Refused{"eth0", "neither"},
                    Refused{"virtio_user0,path=/a", "neither"},
                    Refused{"net_memif0,role", "'role' is no key=value"},
                    Refused{"net_memif0,=x", "no key=value"},
                    Refused{"net_memif0,", "no key=value"},
                    Refused{"net_vhost0,iface=/a,tso=1", "larger than any MTU"},
                    Refused{"net_vhost0,iface=/a,legacy-ol-flags=1", "unfinished checksums"},
                    Refused{"net_af_packet0,iface=x", "0x88a8"},
                    Refused{"net_bonding0,mode=4", "without members"},
                    Refused{"net_bonding0,member=net_memif0", "member=(DEVICE)"},
                    Refused{"net_bonding0,member=(net_bonding1,member=(net_null0))", "can not be"},
                    Refused{"net_bonding0,member=(net_memif0,id=1)", "memif can not be"},
                    Refused{"net_bonding0,member=(eth0)", "neither"}));

TEST(DeviceArguments, FramesThatAfPacketWouldCut) {
    const auto device = must(read_device("net_af_packet0,iface=x,faults=accepted"));
    EXPECT_EQ(device.arguments_text(), "iface=x");
    EXPECT_TRUE(check_arguments(device, 1536));
    const auto cut = check_arguments(device, 2000);
    ASSERT_FALSE(cut);
    EXPECT_NE(cut.error().message.find("framesz 2048"), std::string::npos);
    const auto wide = must(read_device("net_af_packet0,iface=x,framesz=16384,faults=accepted"));
    EXPECT_TRUE(check_arguments(wide, 9136));
}

// A folder as sysfs has it.
class PciTree : public testing::Test {
  protected:
    void SetUp() override {
        root_ = fs::temp_directory_path() / ("isthmus-pci-" + std::to_string(getpid()));
        fs::create_directories(device());
        write("class", "0x020000");
    }
    void TearDown() override { fs::remove_all(root_); }
    fs::path device() const { return root_ / "bus/pci/devices/0000:01:00.0"; }
    void write(const fs::path& name, const std::string& text) {
        std::ofstream(device() / name) << text << '\n';
    }
    void bind(const std::string& driver) {
        fs::remove(device() / "driver");
        fs::create_symlink("../../bus/pci/drivers/" + driver, device() / "driver");
    }
    std::string why() const {
        const auto found = dataplane::find_pci_device("0000:01:00.0", root_);
        return found ? "" : found.error().message;
    }
    bool physical() const {
        return must(dataplane::find_pci_device("0000:01:00.0", root_)).physical;
    }

    fs::path root_;
};

TEST_F(PciTree, TakesWhatIsHandedOver) {
    bind("vfio-pci");
    EXPECT_TRUE(physical()) << "no IOMMU group: physical addresses";
    fs::create_directories(root_ / "groups/7");
    fs::create_symlink(root_ / "groups/7", device() / "iommu_group");
    EXPECT_FALSE(physical());
    std::ofstream(root_ / "groups/7/name") << "vfio-noiommu\n";
    EXPECT_TRUE(physical());
    bind("igb_uio");
    EXPECT_TRUE(physical());
    bind("mlx5_core");
    EXPECT_FALSE(physical());
}

TEST_F(PciTree, RefusesWhatIsNot) {
    EXPECT_NE(why().find("has no driver"), std::string::npos) << why();
    bind("ena");
    EXPECT_NE(why().find("kernel's driver ena"), std::string::npos) << why();
    write("class", "0x010802");
    EXPECT_NE(why().find("no network device, its class is 0x010802"), std::string::npos) << why();
    fs::remove_all(device());
    EXPECT_NE(why().find("does not exist"), std::string::npos) << why();
}

// Devices of this machine that the kernel uses are refused before DPDK sees them.
TEST(PciDevices, ThoseInUseAreLeftAlone) {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator("/sys/bus/pci/devices", none)) {
        const std::string address = entry.path().filename();
        const std::string driver = fs::read_symlink(entry.path() / "driver", none).filename();
        if (!driver.starts_with("virtio") && driver != "ena")
            continue;
        EXPECT_FALSE(dataplane::find_pci_device(address)) << address;
    }
}

} // namespace
} // namespace isthmus::test
