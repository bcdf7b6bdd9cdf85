"""Names of departments and of what they do for people."""

from itertools import product
from typing import NamedTuple


class Trade(NamedTuple):
    """A kind of department: its name after the place, its usual size (1 is the mean), the things it deals with."""

    name: str
    size: float
    things: tuple[str, ...]


TRADES = (
    Trade("公安局", 2.6, ("居民户口", "居民身份证", "出入境证件", "机动车驾驶证")),
    Trade("人力资源和社会保障局", 2.2, ("社会保险", "就业创业", "劳务派遣", "职业资格")),
    Trade("市场监督管理局", 2.1, ("企业", "个体工商户", "食品经营", "特种设备")),
    Trade("医疗保障局", 1.6, ("医保关系", "异地就医", "医疗救助", "定点医药机构")),
    Trade("自然资源和规划局", 1.5, ("不动产", "建设用地", "规划许可", "采矿权")),
    Trade("住房公积金管理中心", 1.4, ("公积金提取", "公积金贷款", "公积金缴存", "公积金转移")),
    Trade("住房和城乡建设局", 1.2, ("施工许可", "商品房预售", "建筑业企业资质", "公租房")),
    Trade("卫生健康委员会", 1.1, ("医师执业", "医疗机构", "公共场所卫生", "生育服务")),
    Trade("民政局", 1.0, ("婚姻", "社会团体", "养老机构", "最低生活保障")),
    Trade("交通运输局", 1.0, ("道路运输", "出租汽车", "公路", "网约车")),
    Trade("教育局", 0.8, ("教师资格", "民办学校", "学籍", "校车使用")),
    Trade("城市管理和综合执法局", 0.7, ("户外广告", "道路挖掘", "建筑垃圾处置", "园林绿化")),
    Trade("生态环境局", 0.6, ("环境影响评价", "排污许可", "危险废物经营", "辐射安全")),
    Trade("农业农村局", 0.5, ("农药经营", "兽药经营", "种子生产", "动物防疫")),
    Trade("应急管理局", 0.4, ("危险化学品", "烟花爆竹", "安全生产", "应急预案")),
    Trade("司法局", 0.4, ("律师执业", "公证", "法律援助", "司法鉴定")),
    Trade("文化和旅游局", 0.3, ("营业性演出", "旅行社", "文物", "娱乐场所")),
    Trade("水利局", 0.25, ("取水许可", "河道管理", "水土保持", "水利工程")),
    Trade("发展和改革委员会", 0.2, ("投资项目", "节能审查", "招标方案", "粮食收购")),
    Trade("档案局", 0.15, ("档案利用", "档案移交", "档案出境", "档案复制")),
    Trade("林业局", 0.3, ("林木采伐", "植物检疫", "林地占用", "野生动物")),
    Trade("消防救援支队", 0.4, ("消防设计", "消防验收", "消防安全检查", "消防备案")),
    Trade("退役军人事务局", 0.4, ("退役军人", "优抚对象", "军转干部", "烈士褒扬")),
    Trade("税务局", 1.4, ("发票", "税务登记", "完税证明", "税收优惠")),
    Trade("残疾人联合会", 0.3, ("残疾人证", "残疾人就业", "残疾人补贴", "康复救助")),
    Trade("气象局", 0.15, ("雷电防护", "升放气球", "气象设施", "气象资料")),
)

ACTIONS = (
    "申领", "设立登记", "变更登记", "注销登记", "补领换领", "延续", "备案", "查询", "证明开具", "年度报告",
    "转入", "转出", "补贴申请", "信息更正", "资格认定", "初审", "复核", "考核申请", "缴费", "预约",
)  # fmt: skip

_PLACES = (
    "青山", "白云", "清河", "石桥", "东湖", "南岭", "西江", "北塘", "金沙", "银杏", "龙泉", "凤凰", "松林", "竹溪",
    "梅园", "兰亭", "荷塘", "菊圃", "桃源", "柳湾", "春华", "秋实", "安宁", "永乐", "长平", "新丰", "古城", "双河",
    "三江", "四方", "五峰", "六合", "七里", "八景", "九曲", "十渡", "望月", "向阳", "临港", "云台",
)  # fmt: skip
_KINDS = ("区", "县", "镇")


def departments(count: int) -> list[tuple[str, Trade]]:
    """The first `count` departments, the city's own before those of its districts (at most 3,146)."""
    places = ["市"] + [place + kind for kind, place in product(_KINDS, _PLACES)]
    found = [(place + trade.name, trade) for place, trade in product(places, TRADES)]
    if not 1 <= count <= len(found):
        raise ValueError(f"departments must be from 1 to {len(found)}, not {count}")
    return found[:count]


def item_name(trade: Trade, number: int) -> str:
    """The name of the `number`-th item (from 0) of such a department; different for the first 80."""
    action, thing = divmod(number, len(trade.things))
    again = number // (len(trade.things) * len(ACTIONS))
    return trade.things[thing] + ACTIONS[action % len(ACTIONS)] + (f"（{again + 1}）" if again else "")
