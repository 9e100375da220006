"""Small HEIC and JPEG XL files of kinds that nothing installed with the tests encodes.

Made by libheif 1.15 (x265) from the pixels that ``drawn`` returns; each 48 rows of 64 pixels.
"""

import base64

import numpy as np

__all__ = [
    "ALPHA",
    "DEEP",
    "JXL_EXACT",
    "JXL_LOSSY",
    "PLAIN",
    "WITH_EXIF",
    "WITH_PROFILE",
    "drawn",
]


def drawn() -> np.ndarray:
    """The picture that all of them hold, ``(48, 64, 3)`` uint8."""
    y, x = np.mgrid[:48, :64]
    return np.stack([60 + x * 2, 80 + y * 3, 200 - x], axis=-1).astype(np.uint8)


PLAIN = base64.b85decode(
    b"0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<0005yZDn*}000000000XXk=`10000000000aA{+7000000000000000"
    b"000004sdC7Z2$lO00062000naWMOmw00000KmafR002yBY;R)$0000)KmY>(0RR91000022><~A0000000K(@0ssL3"
    b"000000003100000000O80{{R300004Q~&`000000006!K002#CX>Mi!000000{{R36=`l}WdZ;I0RRC20BCk&F#rGn"
    b"02OI&W@Q2Z00002003ulX=DHZ000$fZf0cy000310{{R;cxh$;0002lX>f9I0002DX>en20001YXm(>m0R#vD00000"
    b"000009`FGC|M>U-01pEo0096OKmiN^|NjIC00093o;Uyi0{{RXx&lBU0096hLID8;2mk;B0G>Di00RI39*_hOAhO+D"
    b"l-D-`0tN&C00RI7000931Rx>+0RRX@0l{+^FbI$U000zeb8uw<00000002M$002M$000zeb8uw<00000002M$001xm"
    b"000nhX?SS>000032nYxO000_kaBX1#00000000620Rn*n00II7ga7~lC~0zKW&i*H000004rFO<X8-~K0RRC2000hS"
    b"WOHKx0{{U40ssI55p85)bN~PXM<@ZW2Dp(gPh&@?qGR0izDdW9?Wqgsas7m^hV>X&mS#zw<KONoyhg3WEd4{eK;GuB"
    b"0k_!}(;g6(_Q@t)V0|aq`yG^9o+FEd9n-)7l~q<>O*b{bA&ygyt*iV@<?y`4lrt}1CQ<k5Efo`JoR^SCRS@J3d=2t;"
    b"sdrH8j_O4`oT3JVM?NVU9|MzB9Q#XyRO(%>aE?)Eb1aOWq?qFV*WhT#7;I)*0(z`WN=mY%idUj+3==!4f)Px&nz58T"
    b"EMbUv!yxljUEQ+O5O_tbzrI0k?iwv)%QJ*cBaV@PgkI!(;1hFrktJ=GLkqv()emgqeK~yxdb*TlChEb|>Noc%{HDL-"
    b"IFeD5TLzMar?d*dOpB#h_%rZ^oW}M)VzK`_0?*1zM5qxFbO-$ep9{1wM4`HpDURl>=Q826hbWY@jVnQ!V#!QZNCo05"
    b"EE0;ITRqmGm}S4-Wz<gM+W&<9_I8R>zw>1voiiex6JwCtnmF0C{4*Ya40F?kADDn87Cf_0Ow+<CL!&Z*DTa{>rPHHb"
    b"P7pDEE8W%I^$cGcp*DMxV`OO+svDkD0GkY!-9IP2)YJd4>wWd{%?|i8BHwJ&8DkWq9DMO-)pF*MS|wGDc-}y)Ue51}"
    b"RFy;KT7QMi3Vtx<gDXCH?G6ovG6Ob`d%8F!;BgGIukAvAIT!qh{vf_WsZUv&a;+r^9izWm{p~*Dp~Qq?#rBuOzRihD"
    b";K+(^<;t&*<8c@k+#o4w>Q`XjPKfvHCccKJ00006MR;ju002ozDgX!o000I65&;7M0RR910RR918UY0W0RR91RsaA1"
    b"8vz9X0RR91UH||9C;<Zi0RR910ssI269NMO0RR910RR91X@>*=0RR91W&i*H00000FBt&<=mP)%FBt&<=mP)%1^@t%"
    b"2LJ>B001yDF)#s<2LJ>B000330{{S^2LJ>B001yCFfak20{{U4009600007@1ONd5002M$000A^1ONd5001xm00000"
    b"000"
)
"""8 bits, 4:4:4."""

DEEP = base64.b85decode(
    b"0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<0005yZDn*}000000000XXk=`10000000000aA{+7000000000000000"
    b"000004sdC7Z2$lO00062000naWMOmw00000KmafR002yBY;R)$0000)KmY>(0RR91000022><~A0000000B$@0ssL3"
    b"000000003100000000O80{{R300003RR94100000006!K002#CX>Mi!000000{{R36=`l}WdZ;I0RRC20BCk&F#rGn"
    b"02OI&W@Q2Z00002003ulX=DHZ000$fZf0cy000310{{R;cxh$;0002lX>f9I0002DX>en20001YXm(>m0R#vD00000"
    b"000009`FGC|N8m>01pEo0096OKmiN^|NjIC00093oHzgg0{{RXx&lBU0096hLID8;2mk;B0Gv1g00RI39*_hOAe$}K"
    b"$xU-`ARu5s00093KmY&(074=F0RRX@0l{+^FbI$U000zeb8uw<00000002M$002M$000zeb8uw<00000002M$001xm"
    b"000nhX?SS>000033JMAU000_kaBX1#00000000620Rn*n00II7ga7~lC~0zKW&i*H000004rFO<X8-~K0RRC2000hS"
    b"WOHKx0{{U40ssI45^ZE*bN~PWNGJiX2Dq|t7eHrt55p^UIYhix`bTZDL^E@V!_U@;$7AOg(yo<#s~*9k;mI)4j52L0"
    b"y5o^V*lu&kjB9rL$KiX)|H;iYqDU5*)oP6zi@8WJppBMzRDRJ;3%lxm4@VeRM)ysoQ5{d@4|Dk<voOn{&)wq0x$K{W"
    b"Fd6I&(ccl!rlBQEoht$?Y4I&A%Wf)QgZk!}+koex9?b`Jq_d&^jiUy?dqV_7d-S>7sca%Ane`Wx=o(g6ykIH5FX-d*"
    b"t%7SY;C}u*j^5T@lQmjkrxx~an8_AuA;Supa6<Q>n->d<yhW?>$n8HHAu=XaygJ$;f^+cR8m2C=-2ehrU}x$HH%HlD"
    b"3VWk;N?)y{(atBj{p;{j+d?C15&gcUJ(Ky~zvU21o5x=}bflxp8+?Q2fARgm-}M(dx!t$`=!kMIH~;_u21R&jW&i+5"
    b"Nh$yc0000601^QM009610096102%=W0096109F7102=`X009610A2t904M<i0096100IC2022ZO00961009610BMH="
    b"009610A>IH00000052H<0O$h%052H<0O$h%00sa6kOu$+0000mGBGd#kp}<-000010s{a5pa%d10000mF)%OzpaTE_"
    b"00030{{R32pacK`0000$00003pacK`0000m000000000"
)
"""10 bits, 4:4:4."""

WITH_PROFILE = base64.b85decode(
    b"0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<000C^ZDn*}000000000XXk=`10000000000aA{+7000000000000000"
    b"000004sdC7Z2$lO00062000naWMOmw00000KmafR002yBY;R)$0000)KmY>(0RR9100004ZU6xQ0000000IF30ssL3"
    b"000000003100000000O80{{R300006ZvX)R00000006!K002#CX>Mi!000000{{R36=`l}WdZ;I0RRC20BCk&F#rGn"
    b"02OI&W@Q2Z00002003ulX=DHZ000$fZf0cy000310{{R;cxh$;0009%X>f9I0009UX>en20001YXm(>m0R#vD00000"
    b"000009`FGC|M>U-01pEo0096OKmiN^|NjIC00093o;Uyi0{{RXx&lBU0096hLID8;2mk;B0G>Di00RI39*_hOAhO+D"
    b"l-D-`0tN&C00RI7000931Rx>+0RRX@0l{+^FbI$U000zeb8uw<00000002M$002M$000zeb8uw<00000002M$001xm"
    b"00LxVZ)|dMNkc;b00LNSV{LN;KmY)3Zgg@|M?xT2Sy~_m>HrG>9RLjg4*(TmV{>ppP*6+&00000000000000000000"
    b"00000000000QS}Z0RR910MjjOV{LN)0000000000000000000000000000000000000000000000000000000000YQ"
    b"WpiTy009U9001;&aB_4200BGz002yPbZ~S400D>q000zYXklak00Eo;001m<SXo*C00GDV000zXSXo*C00G<p000zc"
    b"SXo*C00Hm-000znR8m6#00IO6000nYR8m6#00I;M000nTR8m6#00JZc000nUXmV`;00J}s001OyY;|J*0000000031"
    b"000bSZdFqN000;O000~SQUFH)LI5BDVgPjjX#i{hbO0>?X#j3*Y;|J*0000000031000bSZdFqN001xm000~SP5^HJ"
    b"AOK?kZvb!rc>r<%X#i&cXaIBoEC3(?bpUe!WdI-mW&m;kWdLOWYyf#!Sy~_f000000QS}Z0RR910MjjVW-~GX00000"
    b"0SrO_00rLv|MMjP00)x*0R52v|NEi;|NWu>00Z0r0KjfoSy~_f000000E6EE06o9||NpyKSy~_f0000004O*B01*oS"
    b"0LZymSy~_f0000007}0A0I@d!01CNqVRB&r00000000000y8skVRB&r00000000000y8skVRB&r00000000000y8sX"
    b"XmV`;000000{{R30In1O08#7!07KUR0I;M0048Pt01sRM000nhX?SS>000032nYxO000|laBX1#00000000620Rn*n"
    b"00IL8goOYA04Qm4Wo7^X0000001jknZD#-i009620000EV`Ot<00RI400IC20>^D+VRQfh0sSZeuLd}-G1qgb8G*4$"
    b"6NG%bi3|0jZ~2hrvoj}=Awd|np7XORxe8SPma`m#??lys`F@wyUisg5D}+{TUiLqq)CP6zB$1e+#@M)fA~Qzz-%hb4"
    b"SfvmN#)ES>Cc?z9E?gZoR*!Bao6#Py4WYXt;AxE^K)?%bhsjry3))dx1ln~ZR;G4rz5>YMaRV$=Sn*qZH(|ar!?s9B"
    b"Ho{9K*7_|DKb83r)kQ6Or^UT4L`~1n*3JWun=u4XUvgh@5!gO&77lX^IzyZ7K9UGLwKBXH0ziFQ*0-P2`~&!x_Z&UX"
    b"H@%_SbR=*#X3uxtJwaN=HA*a#{Ml(B?v!ffp%0cgKImvEqc27~c^XSjz39VfqeDgH0)20UqQ-=0|A>OJgrZwPx8BI#"
    b"dS_0-N6F;mKe<st+{_!Tx$6ia&d>aH?H@<o>&f(hFgv#9aB&>5ZiAQ8NiThL9*i=~g6{bg8@w)=dh>XS<9x~d^o_)a"
    b"7smI9P*tI1betgkgra4t`ETn?93t#@p6(^#IL+2X4AU=tGF6tc)aRi3*bHYE&LBT%llIUjTbzZBhIsO#>sqqfy6UHv"
    b"f9wbRy1(Qm4Uy~n!YhaNpAdbW@#kb>;O?|0b%hQU5ZivK<ShQQ?i4gqz{1WMCVVs=DaF`>h3U@CNDG(%000I>cxh$;"
    b"07*$I00;m800saO0RsR5000010000Q0R;d7000110000R0R;d7000190000e0RsR5000020000J0s{a6000010001K"
    b"hXeot0001H000000000l836$30{{Ro836$30{{R90058&00aO405CE!FaePV00aO4009C6005u|00aO405CByFae+g"
    b"009610RR6000N){0096106+i$00W=|0096105AXm0000000"
)
"""8 bits, with the profile of ``samples.p3_profile``."""

ALPHA = base64.b85decode(
    b"0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<0009tZDn*}000000000XXk=`10000000000aA{+7000000000000000"
    b"000004sdC7Z2$lO00062000<iWMOmw00000KmafR00000KmafR004ApY;R)$0000)KmY{*0RR9100003SO5V400000"
    b"00IF30ssL3000000003100000000O80{{R300005SpWe500000005N$1ONd50000000031000O8000O81poj500005"
    b"?f?M*00000006!K004JsX>Mi!000001poj56=`l}WdZ;I0RRC20BCk&F#rGn02OI&W@Q2Z00002003ulX=DHZ000$f"
    b"Zf0cy000310{{SMc4ILB0000LX>Mj^0ssI200aO4XL4y|000006=`l}WdZ;I0RRO607ZCdW&i*H0kUaua&Q0u0flLB"
    b"V{ZTe0C#A1V?zN12mk;8000000018F0Q~>>_y7P810Vna02e?33<3ZD1PA~C0|1^l0009303NymKp_AD04hQO0R#vD"
    b"00RJ?H~;_x001741P~yy-CUH{Hv$3%1ONa700aO40{{ddA^-sZ2t)zFa~LoPkN^Mx6lrsCWdHyG00000KmY&$KmY&$"
    b"6lrsCWdHyG00000KmY&$FaQ7m5O8UDX#fBK00RgJ2mk;8acFj9LjeQ`000000000003PrF{QUU%000jIAOHaX7eE0F"
    b"0ssF52mk;B0H62(00RI39=ZZRApijYCPD!L1PA~C0|1}+0009303N`C1QuJXlA7kgfB*mk0Du4h0|0~~00967L;=Bb"
    b"z=;3=02FC+aAg1h0000006+i$06+i$02FC+aAg1h0000006+i$05AXm01j|zcxeCt000390000dVRd*z00000b#iVx"
    b"ZE$60I%s8fV>&W0F*Q12b$DrHIxzqM001RvaBX1#00000000C40Rn*n00II7ga88qg$4iw0|$tS0000)X>w&|00000"
    b"0000EWNB?@00IC30096101jknZD#-k009640000EVRd+H00aO500IC201jhhb7KGn00963000AAZDe6|0005~C;_hq"
    b"IIc0*bEp}Cu}Kqze7lJY^`dY2kma*8Cy^mR7`C4Cvnsg?RRET=9E0yf)q(kbm)2hS-*+p7R%~AOKcCbFb?hXOn4-qm"
    b"xO*ZqM)u!Mu_Rcf5DCVEb2ui##IP=09W_>uZY7)19<U9eyCUFejUhn53vP$WSCb3cQCS4qbtG1%c5J=^$l-AVEL2$W"
    b"TYWcSzB9wNNJuuqOC{F&Ee=1G`4QDcEqbTLy)Hye&(GG*1CN_A1W;dcUvUxGK5rHda|}8|o9#Z52t2hiycYsMeOlJH"
    b"pVRyU_?Pz_J<m72q1tpLa5iSociufgTE;a>ER+1%X&~;DYUQC1mN-7>XepyFMmu>LOHRG$!)c>KMdSi~Z-k=8glGSV"
    b"g0h67TS2$p$lrQrPQgdX<m5lOQ9|6z8?CwP2qDhT{B`XgN8Rhm^nfrsw&rkg9I<YLm(xiveRLj-GR%VR`4k(xE}44s"
    b"c#7kE$^7(<#D^Eg_lQtcp=5NNApC@)Wvcma>r5OX?025-CE+;D)<g``FMTpqma^36p!(PhXBW;OKWLNo&?j4*g^h-I"
    b"@}lcnvf8@pr<Q;02mHFf<R%S~>-)khhxVTkeVy^=WMbg%v?g_h4iymFeyQXv{<Q8CG*ZCA&KV|rG#)9%*n@@X&do>*"
    b"m;e9(kthMK3~;pz%YWeI{!N$tNN&0Jckb#&`PF^AeE->h-;g#~H)mLLPaONf?*^$D{;?)DoL%C#o=d12B;iU}a-5kL"
    b"X?OUTr<b(N11Uq+%Uta4_WJ|aSkiCA?pl9kk$Y629CHv>Zs~^?{#Vib`Ptv4N_<ql<=!sKa6<9lpD>L6^V#=k6x9dY"
    b"mos<peK-IB00u>PX=VTbNl7XI2mk;81^^NP0{{U400031000^R1pom600341000{S1pom6003S9001Zf0{{U400062"
    b"000vL0{{U400031003!+1ONd5003qH00000001u;0RZR&001u;0RZR&000I60FVa&1ONa4FfuVP0g(p)1ONa40RjU6"
    b"0H6l|1ONa4FflMN0iXi_0RR91|Nj600-yu{0RR91KmY&$1E2%|0RR91FaQ7m00000"
)
"""8 bits; alpha is 255 in the left half, 128 in the right."""

WITH_EXIF = base64.b85decode(
    b"0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<0005yZDn*}000000000XXk=`10000000000aA{+7000000000000000"
    b"000004sdC7Z2$lO00062000naWMOmw00000KmafR002yBY;R)$0000)KmY>(0RR91000022><~A0000000I*L0ssL3"
    b"000000003100000000O80{{R3000048~_0T00000006iE002#CX>Mi!000000{{R36=`l}WdZ;I0RRC20BCk&F#rGn"
    b"02OI&W@Q2Z00002003ulX=DHZ000$fZf0cy000310{{R;cxh$;0002lX>f9I0002DX>en20001YXm(>m0R#vD00000"
    b"000009`FGC|M>U-01pEo0096OKmiN^|NjIC00093o;Uyi0{{RXx&lBU0096hLID8;2mk;B0G>Di00RI39*_hOAhO+D"
    b"l-D-`0tN&C00RI7000931Rx>+0RRX@0l{+^FbI$U000zeb8uw<00000002M$002M$000zeb8uw<00000002M$001xm"
    b"000nhX?SS>000032nYxO000_kaBX1#00000000620Rn*n00II7ga7~lC~0zKW&i*H000004rFO<X8-~K0RRC2000hS"
    b"WOHKx0{{U40ssI4(`{s7bN~PX4=4ez1~{;H2f5S?z}TdTz=-1}E#MzKg<;o%u2AirBNgm5gdmEgd_sY<+aJ?*?Q_(8"
    b"K0U@RlkY+GQ+LwuTR%P~#&75?7XK?~6}o!oYy%`EeG5=4SVz^2m|-s<EIJfTk<RQ=ffNsUNh;^&!;KUprZkWP1fC`)"
    b"k9>Xhq!@abq)xP!dG$d$<oe@nieBf@`p{3}$F=g#3l2n7O$QHpz|>Ht)ImqDT0-&JH;jEB#=GBBhYVUm_HP;yAw-zG"
    b"%HlV$%-?DAm}3;2<jMx1kVhmeW<2lF>i}v!C+iS*hbDI1KAT-%KmR|1NVo(2>aP(n_T^6L2U}v+=w_X1k8|N`^821_"
    b"nfYAI*GtVVZ+sn;JI^Q8H|CVMMBB4{q&Tkof?Ev@z|de0ZUwdcrF^5}nGvl&cTEheVa%cF?v@!vCE3vrbJ8o=hu0)I"
    b"DZ`r$=tHg9Z0l*?XPHLny+CVHyL_gmdxS_?!k!@D-Imtq8ww$#TdxLq%TIgz`5$nyucnuBEE}Av$d~A9mkf|!a7uEU"
    b"ni!p~iaR9uThQ0U-dYPO$hT{l&U+{bM58kTmytmrRdg5spe6n5;`T~n^q*Jj7p0lm+U8;xk<##S8nbuUj?GiJ9IpJe"
    b"gAXK6g{{}=dSA+5zYM@b3*z@IO2e+67r#TpHLMa|ZmsBad1Dn+mefyg00006MR;ju002!*04e|g00;mE0S^EI00005"
    b"000110TKWM0000100sa60U7`W00001000170UH1X000010001F0Vn_i0000100IC2hiL!=000010001N00000L1S%Y"
    b"0000007w7;0096107w7;00966kN^M&00004FfuVPpa1{|00004FflMNpaB2_00001|Nj60paK8{000010000$paTE|"
    b"000010000m00000"
)
"""8 bits, EXIF with an orientation of 6, which no box says."""

JXL_EXACT = base64.b85decode(
    b"{|d`M2yYDo66OI=)i5S!i<;N5J@oO#K12-*E#e9-LFTECu;<C3i-qB|kq~ySu$@a{w01&9qtVhCysj_+Sw~xE1o(;P"
    b"s+qCPlsQ`f2K--GTJbA~p{^5)EGu~^1SndY%1Wo1>hjL|OU^4dkYyd;07qY8b7fOcQR%P%YiG*<O=U|<S#zkpRt`X?"
    b"X`G<~Jk{HO|DC6N8t(+!FQoteyKkuf{@bqz?sB2Pk8=n8LVADw_uqea5EKj>Gbpk-Q0WgE%Y{*MFY_xi^VerbQDs}c"
    b"+yHegfl=Au&?^*H62xf2Tn-2V0RW%@ODLkc<<vQN9pqqrDWNd<?d=p46ciL3(I@~SP*9-W-56usT?kyDs6Y`Nqaro}"
    b"00e{p1^|fwbSD5n8=ww(JO;-O>AbvoAVvIKrF@YY0HhzRP1paw|NsAgBYs49OQM}S-%&Gg"
)
"""A lossless JPEG XL with the profile, by libjxl 0.7 of libvips."""

JXL_LOSSY = base64.b85decode(
    b"{|d`M3U3Vq66OI=)i5S!i<;N5J@oO#K12-*E#e9-LFTECu;<C3i-qB|kq~ySu$@a{w01&9qtVhCysj_+Sw~xE1o(;P"
    b"s+qCPlsQ`f2K--GTJbA~p{^5)EGu~^1SndY%1Wo1>hjL|OU^4dkYyd;07qY8b7fOcQR%P%YiG*<O=U|<S#zkpRt`X?"
    b"X`G<~Jk{HO|DC6N8t(+!FQoteyKkuf{@bqz?sB2Pk8=n8LVADw_uqea5EKj>Gbpk-Q0WgE%Y{*MFY_xi^VerbQDs}c"
    b"+yHegfl=Au&?^*H62xf2Tn+)80+V400DuaWQN|5k&h>oxp~GU@#&w3a+P1KSvDsc2Bus$<g=3T~nhzI_5suN0QMO`a"
    b"V~mW!V2u+(002!4X4?dVm0*_%0=xL$z@QF1*d#PTOojj;DHwl1`rHQ^DFE{IADxw%E=qJ*CECptgM6G!J1lA({rRJI"
    b"DG^<N`Gs-3V@yC)VT!>I3>w!@6b*QW3Mnw#MivtU831&OBgF+{@dhLl"
)
"""A lossy one."""
